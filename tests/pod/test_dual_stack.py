"""Pods with an IPv4 and an IPv6 address, as their users see it."""

from __future__ import annotations

import dataclasses
import ipaddress
import secrets
from collections.abc import Iterator

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance, Json

SERVE = "echo $IPS; cat /etc/hosts; mkdir /tmp/w && hostname > /tmp/w/index.html && exec httpd -f -p 80 -h /tmp/w"
IPS = [{"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}]


@pytest.fixture
def node(make_instance: MakeInstance) -> Iterator[Instance]:
    instance = make_instance()
    unique_local = ipaddress.ip_network(f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/64")
    instance.paths = dataclasses.replace(instance.paths, pod_cidr=f"{instance.paths.pod_cidr},{unique_local}")
    instance.environment |= instance.paths.environment()
    with instance:
        yield instance


def ips(pod: Json) -> list[str]:
    return [each["ip"] for each in pod["status"].get("podIPs", ())]


@pytest.mark.vm
def test_a_pod_has_two_addresses_and_is_reached_by_both(node: Instance) -> None:
    pods_ = (manifests.pod(name, manifests.busybox(script=SERVE, env=IPS)) for name in ("one", "two"))
    node.submit(*pods_)
    one, two = (node.wait_for(name, pods.is_ready, "to be ready") for name in ("one", "two"))
    for pod in (one, two):
        assert [":" in ip for ip in ips(pod)] == [False, True]
        hosts = [f"{ip}\t{pod['metadata']['name']}" for ip in ips(pod)]
        wait.wait_until(lambda pod=pod, hosts=hosts: node.log_lines(pod)[-2:] == hosts, "the hosts file to be shown")
        assert node.log_lines(pod)[0] == ",".join(ips(pod))
    node.kill_kubelet()
    node.start_kubelet()
    ip, ip6 = ips(two)
    fetches = f"wget -q -O - http://{ip}/; wget -q -O - http://[{ip6}]/"
    wait.wait_until(
        lambda: node.exec("one", "sh", "-c", fetches, check=False).stdout.split() == ["two", "two"],
        "both addresses to answer",
    )
    listed = node.request("GET", "/api/v1/nodes")["items"][0]["spec"]["podCIDRs"]
    assert ",".join(listed) == node.paths.pod_cidr
