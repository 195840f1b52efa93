"""The resolv.conf a pod gets."""

from __future__ import annotations

from pathlib import Path

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


def test_cluster_first_without_a_cluster_is_the_hosts_file() -> None:
    assert resolv.pod_conf("ClusterFirst", HOST) == resolv.pod_conf("Default", HOST) == HOST


def test_policy_none_takes_only_what_the_pod_says() -> None:
    given = resolv.ResolvConf(("192.0.2.9",), ("mine",), ("ndots:1",))
    assert resolv.pod_conf("None", HOST, given) == given


def test_dns_config_is_added_without_repeating() -> None:
    given = resolv.ResolvConf(("192.0.2.53", "192.0.2.9"), ("mine", "lan"), ("ndots:5", "edns0"))
    assert resolv.pod_conf("Default", HOST, given) == resolv.ResolvConf(
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
