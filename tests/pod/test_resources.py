"""What pods ask for and may take, as a user sees it and as the kernel holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgroups import hierarchies
from cgroups.group import Group
from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance

MI = 1 << 20


def knob(group: Group, controller: str, v2: str, v1: str) -> str:
    """The knob's text, of file `v2` or of file `v1`, where the controller is."""
    point = group.hierarchies.v1_controllers.get(controller)
    path = f"{group.directory}/{v2}" if point is None else f"{point}{group.path}/{v1}"
    return Path(path).read_text().strip()


def memory_max(group: Group) -> str:
    return knob(group, "memory", "memory.max", "memory.limit_in_bytes")


@pytest.mark.vm
def test_a_pod_with_resources_of_its_own_is_limited_as_a_whole(node: Instance) -> None:
    own = {"limits": {"cpu": "500m", "memory": "64Mi"}}
    node.apply(manifests.pod("whole", manifests.busybox("a"), manifests.busybox("b"), resources=own), wait=True)
    pod = node.pod("whole")
    assert pod["status"]["qosClass"] == "Guaranteed"
    assert pod["spec"]["resources"]["requests"] == own["limits"]
    group = node.pod_group(pod)
    assert memory_max(group) == str(64 * MI)
    assert knob(group, "cpu", "cpu.max", "cpu.cfs_quota_us").split()[0] == "50000"
    assert memory_max(node.container_group(pod, "a")) != memory_max(group)
    node.discard("whole", grace=0)


def test_what_the_node_does_not_have_is_waited_for_by_name(node: Instance) -> None:
    for name, resource in (("gpu", "example.com/gpu"), ("pages", "hugepages-1Gi")):
        wanted = {"limits": {"cpu": "10m", resource: "64Gi"}}
        node.apply(manifests.pod(name, manifests.busybox(resources=wanted)))
        pod = node.wait_for(name, lambda each: each["status"].get("conditions"), "to be looked at")
        (condition,) = pod["status"]["conditions"]
        assert f"1 Insufficient {resource}. " in condition["message"]
        node.discard(name)


def test_extended_resources_are_had_once_the_node_says_that_it_has_them(node: Instance) -> None:
    (found,) = node.request("GET", "/api/v1/nodes")["items"]
    path = f"/api/v1/nodes/{found['metadata']['name']}"
    wanted = {"limits": {"example.com/dongle": "3"}}
    for name in ("has", "waits"):
        node.apply(manifests.pod(name, manifests.busybox(resources=wanted)))
    # As in "Advertise Extended Resources for a Node" of Kubernetes' manual.
    change = [{"op": "add", "path": "/status/capacity/example.com~1dongle", "value": "4"}]
    node.request("PATCH", f"{path}/status", json.dumps(change).encode(), "application/json-patch+json")
    node.wait_for("has", pods.is_ready, "to run with them")
    pod = node.wait_for("waits", lambda each: each["status"].get("conditions"), "to be looked at")
    assert "1 Insufficient example.com/dongle. " in pod["status"]["conditions"][0]["message"]
    node.restart_kubelet()
    assert node.request("GET", path)["status"]["allocatable"]["example.com/dongle"] == "4"
    node.discard("has", grace=0)
    node.wait_for("waits", pods.is_ready, "to run when they are free")
    node.discard("waits", grace=0)


def test_amounts_that_are_no_whole_bytes_are_warned_of(node: Instance) -> None:
    odd = manifests.pod("odd", manifests.busybox(resources={"requests": {"memory": "1048576500m"}}))
    assert node.apply(odd).stderr == (
        'Warning: spec.containers[0].resources.requests[memory]: fractional byte value "1048576500m" is invalid, '
        "must be an integer\n"
    )
    node.discard("odd", grace=0)


@pytest.mark.vm
def test_the_group_above_pods_that_may_burst_weighs_what_they_ask_for(node: Instance) -> None:
    asked = {"requests": {"cpu": "500m"}}
    node.apply(*(manifests.pod(f"burst-{n}", manifests.busybox(resources=asked)) for n in (1, 2)), wait=True)
    burstable = node.cgroup_parent.child("burstable")
    weight = {"v2": "100", "hybrid": "1024"}[burstable.hierarchies.mode]

    def is_set() -> bool:
        return knob(burstable, "cpu", "cpu.weight", "cpu.shares") == weight

    wait.wait_until(is_set, "the weight of all that may burst", 10)
    for n in (1, 2):
        node.discard(f"burst-{n}", grace=0)


@pytest.mark.vm
@pytest.mark.skipif(hierarchies.current().mode != "v2", reason="cgroup v1 has no memory.min and no memory.high")
def test_memory_qos_is_switched_on_by_its_feature_gate(make_instance: MakeInstance) -> None:
    asked = {"requests": {"memory": "10Mi"}, "limits": {"memory": "20Mi"}}
    with make_instance(feature_gates="MemoryQoS=true") as instance:
        instance.apply(manifests.pod("kept", manifests.busybox(resources=asked)), wait=True)
        pod = instance.pod("kept")
        group = instance.container_group(pod)
        assert (Path(group.directory) / "memory.high").read_text().strip() == str(19 * MI)
        for each in (group, instance.pod_group(pod)):
            assert (Path(each.directory) / "memory.min").read_text().strip() == str(10 * MI)
        above = Path(instance.cgroup_parent.child("burstable").directory) / "memory.min"
        wait.wait_until(lambda: above.read_text().strip() == str(10 * MI), "the class to be protected", 10)
