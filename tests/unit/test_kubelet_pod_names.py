"""What a pod is called and whom it asks, from its object."""

from __future__ import annotations

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import pod_names
from podrun.network.hosts import Names
from podrun.network.resolv import Cluster, ResolvConf

HOST = ResolvConf(("192.0.2.53",), ("lan",), ("rotate",))
META = objects.ObjectMeta(name="web", namespace="shop", uid="1234")


def pod(**spec: object) -> objects.Pod:
    return objects.Pod(metadata=META, spec=objects.PodSpec(**{"dns_policy": "ClusterFirst", **spec}))


def names(**spec: object) -> Names:
    return pod_names.names(pod(**spec), "node", "cluster.local")


def test_a_subdomain_gives_a_long_name_that_the_kernel_gets_when_asked() -> None:
    long = "db.sub.shop.svc.cluster.local"
    assert names() == Names("web", "", "web")
    assert names(hostname="db", subdomain="sub") == Names("db", long, "db")
    assert names(hostname="db", subdomain="sub", set_hostname_as_fqdn=True) == Names("db", long, long)
    assert names(set_hostname_as_fqdn=True) == Names("web", "", "web")


def test_an_override_is_all_there_is() -> None:
    assert names(hostname="db", subdomain="sub", hostname_override="www.example.com") == Names(
        "www.example.com", "", "www.example.com"
    )


def test_an_override_is_cut_as_every_hostname() -> None:
    assert names(hostname_override="a" * 62 + ".b").short == "a" * 62


def test_on_the_hosts_network_the_node_gives_its_name() -> None:
    assert names(hostname="db", subdomain="sub", host_network=True) == Names("node", "", "node")


def test_a_long_name_that_the_kernel_cannot_take_is_refused_in_kubernetes_words() -> None:
    text = (
        "failed to construct FQDN from pod hostname and cluster domain, FQDN "
        f"{'h' * 40}.sub.shop.svc.cluster.local is too long "
        r"\(64 characters is the max, 67 characters requested\)"
    )
    with pytest.raises(PodrunError, match=text):
        names(hostname="h" * 40, subdomain="sub", set_hostname_as_fqdn=True)


def test_a_missing_cluster_dns_is_said_to_who_asked_for_it() -> None:
    words = (
        'pod: "web_shop(1234)". kubelet does not have ClusterDNS IP configured and cannot create Pod using '
        '"ClusterFirst" policy. Falling back to "Default" policy.'
    )
    assert pod_names.dns(pod(), HOST, Cluster()) == (HOST, (("MissingClusterDNS", words),))
    assert pod_names.dns(pod(dns_policy="Default"), HOST, Cluster()) == (HOST, ())
    assert pod_names.dns(pod(host_network=True), HOST, Cluster()) == (HOST, ())
    assert pod_names.dns(pod(), HOST, Cluster(("10.96.0.10",)))[1] == ()


def test_options_of_the_pod_win_and_limits_are_said() -> None:
    config = objects.PodDNSConfig(
        nameservers=("192.0.2.1", "192.0.2.2", "192.0.2.3"),
        options=(objects.PodDNSConfigOption(name="ndots", value="2"), objects.PodDNSConfigOption(name="edns0")),
    )
    conf, warnings = pod_names.dns(pod(dns_policy="Default", dns_config=config), HOST, Cluster())
    assert conf == ResolvConf(("192.0.2.53", "192.0.2.1", "192.0.2.2"), ("lan",), ("rotate", "ndots:2", "edns0"))
    assert [reason for reason, _ in warnings] == ["DNSConfigForming"]
