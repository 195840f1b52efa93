"""The resolv.conf a pod gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.errors import PodrunError
from podrun.network import resolv

HOST = resolv.ResolvConf(("192.0.2.53",), ("lan",), ("ndots:2", "rotate"))


def test_a_file_is_read_as_the_c_library_does() -> None:
    text = "# note\nnameserver 192.0.2.1\nsearch old\nsearch a. b .\n;x\noptions ndots:2\noptions rotate\nnameserver\n"
    assert resolv.parse(text) == resolv.ResolvConf(("192.0.2.1",), ("a", "b", "."), ("ndots:2", "rotate"))


def test_what_is_rendered_reads_back_the_same() -> None:
    assert resolv.render(HOST) == "search lan\nnameserver 192.0.2.53\noptions ndots:2 rotate\n"
    assert resolv.parse(resolv.render(HOST)) == HOST
    assert resolv.render(resolv.ResolvConf()) == ""


def test_the_servers_behind_systemd_resolved_are_used(tmp_path: Path) -> None:
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\noptions edns0\nsearch lan\n")
    (tmp_path / "real").write_text("nameserver 192.0.2.53\nsearch lan\n")
    assert resolv.host_conf(tmp_path / "stub", tmp_path / "real") == resolv.ResolvConf(("192.0.2.53",), ("lan",))


def test_a_reachable_server_in_the_hosts_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("nameserver 192.0.2.1\n")
    (tmp_path / "real").write_text("nameserver 192.0.2.53\n")
    assert resolv.host_conf(tmp_path / "host", tmp_path / "real").nameservers == ("192.0.2.1",)


def test_a_loopback_server_stays_when_nothing_is_known_behind_it(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("nameserver 127.0.0.1\n")
    assert resolv.host_conf(tmp_path / "host", tmp_path / "none").nameservers == ("127.0.0.1",)


def test_a_host_without_the_file_has_an_empty_one(tmp_path: Path) -> None:
    assert resolv.host_conf(tmp_path / "none", tmp_path / "none") == resolv.ResolvConf()


CLUSTER = resolv.Cluster(("10.96.0.10",), "cluster.local")
NO_CLUSTER = resolv.Cluster()
POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")


def start(policy: str, cluster: resolv.Cluster, *, host_network: bool = False) -> resolv.ResolvConf:
    return resolv.start_conf(policy, HOST, cluster, "shop", host_network=host_network)


@pytest.mark.parametrize("host_network", [False, True])
def test_without_a_cluster_every_policy_but_none_is_the_hosts_file(host_network: bool) -> None:
    found = [start(policy, NO_CLUSTER, host_network=host_network) for policy in POLICIES]
    assert found == [HOST, HOST, HOST, resolv.ResolvConf()]


def test_cluster_first_asks_the_cluster_alone_and_searches_its_domains_first() -> None:
    searches = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan")
    assert start("ClusterFirst", CLUSTER) == resolv.ResolvConf(("10.96.0.10",), searches, ("ndots:5",))
    assert start("Default", CLUSTER) == HOST


def test_on_the_hosts_network_only_its_own_policy_asks_the_cluster() -> None:
    assert start("ClusterFirst", CLUSTER, host_network=True) == HOST
    assert start("ClusterFirstWithHostNet", CLUSTER, host_network=True) == start("ClusterFirst", CLUSTER)


def test_the_clusters_settings_are_checked() -> None:
    assert resolv.cluster("10.96.0.10, fd00::a,", "example.com.") == resolv.Cluster(
        ("10.96.0.10", "fd00::a"), "example.com"
    )
    assert resolv.cluster("", "cluster.local") == NO_CLUSTER
    with pytest.raises(PodrunError, match='cannot use cluster DNS "dns": not an address'):
        resolv.cluster("dns", "cluster.local")
    with pytest.raises(PodrunError, match='cannot use cluster domain "a b": not a domain name'):
        resolv.cluster("", "a b")


def test_policy_none_takes_only_what_the_pod_says() -> None:
    given = resolv.ResolvConf(("192.0.2.9",), ("mine",), ("ndots:1",))
    assert resolv.with_config(start("None", CLUSTER), given) == given


def test_dns_config_is_added_without_repeating() -> None:
    given = resolv.ResolvConf(("192.0.2.53", "192.0.2.9"), ("mine", "lan"), ("ndots:5", "edns0"))
    assert resolv.with_config(HOST, given) == resolv.ResolvConf(
        ("192.0.2.53", "192.0.2.9"), ("lan", "mine"), ("ndots:5", "rotate", "edns0")
    )


def test_within_the_limits_nothing_is_cut_or_said() -> None:
    assert resolv.limited(HOST) == (HOST, ())


def test_a_fourth_nameserver_is_cut_and_said() -> None:
    conf, messages = resolv.limited(resolv.ResolvConf(("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")))
    assert conf.nameservers == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert messages == (
        "Nameserver limits were exceeded, some nameservers have been omitted,"
        " the applied nameserver line is: 192.0.2.1 192.0.2.2 192.0.2.3",
    )


def test_searches_are_cut_by_number() -> None:
    conf, messages = resolv.limited(resolv.ResolvConf(searches=tuple(f"s{n}" for n in range(33))))
    assert len(conf.searches) == 32
    assert messages[0].startswith("Search Line limits were exceeded")


def test_searches_are_cut_by_length_at_whole_names() -> None:
    conf, messages = resolv.limited(resolv.ResolvConf(searches=tuple(f"{n}" * 250 for n in range(9))))
    assert conf.searches == tuple(f"{n}" * 250 for n in range(8))
    assert len(messages) == 1


def test_a_search_name_that_crashes_resolvers_is_left_out_and_said() -> None:
    conf, messages = resolv.limited(resolv.ResolvConf(searches=("a", "b" * 254, "c")))
    assert conf.searches == ("a", "c")
    assert messages == (
        "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: a c",
    )
