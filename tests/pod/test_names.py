"""What a pod is called and whom it asks for names, as its containers see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance

LOOK = "hostname; cat /etc/hostname; echo $HOSTNAME; cat /etc/resolv.conf; grep -A9 ip6-allrouters /etc/hosts"
TELL = manifests.busybox(script=f"{LOOK}; echo x > /etc/hosts; exit 1")


@pytest.fixture(scope="module")
def node(make_instance: MakeInstance) -> Iterator[Instance]:
    with make_instance(cluster_dns="10.96.0.10", cluster_domain="example.test") as instance:
        yield instance


def test_names_and_dns_settings_are_what_the_containers_see(node: Instance) -> None:
    plain = manifests.pod(
        "plain",
        TELL,
        hostname="db",
        subdomain="sub",
        setHostnameAsFQDN=True,
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["one", "two.test"]}],
        dnsConfig={
            "nameservers": ["192.0.2.1"],
            "searches": ["mine.test"],
            "options": [{"name": "ndots", "value": "2"}],
        },
    )
    over = manifests.pod(
        "over", TELL, hostnameOverride="www.example.com", dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.2"]}
    )
    long = manifests.pod("a" * 40, subdomain="sub", setHostnameAsFQDN=True)
    outside = manifests.pod(
        "outside",
        manifests.busybox(script="cat /etc/resolv.conf /etc/hosts"),
        hostNetwork=True,
        dnsPolicy="ClusterFirstWithHostNet",
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["one"]}],
        restartPolicy="Never",
    )
    node.submit(plain, over, long, outside)

    # The second run too: the first has spoiled /etc/hosts.
    pod = node.wait_for("plain", lambda pod: pods.has_crashed(pod, times=2), "to have run twice", 40)
    long_name = "db.sub.default.svc.example.test"
    for attempt in (0, 1):
        lines = node.log_lines(pod, attempt=attempt)
        assert lines[:3] == [long_name] * 3
        assert lines[3].startswith("search default.svc.example.test svc.example.test example.test")
        assert lines[3].endswith(" mine.test")
        assert lines[4:7] == ["nameserver 10.96.0.10", "nameserver 192.0.2.1", "options ndots:2"]
        assert lines[7:] == [
            "fe00::2\tip6-allrouters",
            f"{pods.address(pod)}\t{long_name}\tdb",
            "",
            "# Entries added by HostAliases.",
            "192.0.2.7\tone\ttwo.test",
        ]

    pod = node.wait_for("over", pods.has_crashed, "to have run")
    assert node.log_lines(pod) == [
        *["www.example.com"] * 3,
        "nameserver 192.0.2.2",
        "fe00::2\tip6-allrouters",
        f"{pods.address(pod)}\twww.example.com",
    ]

    pod = node.wait_for("outside", pods.has_ended, "to end")
    lines = node.log_lines(pod)
    assert "nameserver 10.96.0.10" in lines
    assert "# Kubernetes-managed hosts file (host network)." in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "192.0.2.7\tone"]

    words = (
        "FailedCreatePodSandBox Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster "
        f"domain, FQDN {'a' * 40}.sub.default.svc.example.test is too long (64 characters is the max, 69 characters "
    )
    pod = node.wait_for(
        "a" * 40, lambda pod: any(e.startswith(words) for e in node.events("a" * 40)), "a failed sandbox"
    )
    assert pods.phase(node.pod("a" * 40)) == "Pending"


def test_without_a_cluster_dns_the_pod_is_told_once_and_gets_the_hosts_servers(node: Instance) -> None:
    node.environment["PODRUN_CLUSTER_DNS"] = ""
    node.restart_kubelet()
    crashing = manifests.busybox(script="cat /etc/resolv.conf; exit 1")
    config = {"searches": [f"s{number}.test" for number in range(32)]}
    names = {policy: policy.lower() for policy in ("ClusterFirst", "Default")}
    node.submit(*(manifests.pod(name, crashing, dnsPolicy=policy, dnsConfig=config) for policy, name in names.items()))
    seen = {
        policy: node.wait_for(name, lambda pod: pods.has_crashed(pod, times=2), "two runs")
        for policy, name in names.items()
    }
    assert node.log_lines(seen["ClusterFirst"]) == node.log_lines(seen["Default"])
    events = [event.split()[0] for event in node.events("clusterfirst")]
    assert events.count("MissingClusterDNS") == 1
    assert "MissingClusterDNS" not in [event.split()[0] for event in node.events("default")]
