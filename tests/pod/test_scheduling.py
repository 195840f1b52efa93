"""What does not fit on the node waits and starts when it fits; what names the node itself is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance

Json = dict[str, Any]


def scheduled(pod: Json) -> Json:
    """The condition PodScheduled; empty before there is one."""
    conditions = pod.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "PodScheduled"), {})


def is_unschedulable(pod: Json) -> bool:
    return (scheduled(pod).get("status"), scheduled(pod).get("reason")) == ("False", "Unschedulable")


def the_node(instance: Instance) -> Json:
    (node,) = instance.request("GET", "/api/v1/nodes")["items"]
    return node


def patch_node(instance: Instance, change: Json) -> Json:
    path = f"/api/v1/nodes/{the_node(instance)['metadata']['name']}"
    return instance.request("PATCH", path, json.dumps(change).encode(), "application/merge-patch+json")


def label(instance: Instance, **labels: str | None) -> None:
    patch_node(instance, {"metadata": {"labels": labels}})


def cpus(share: float) -> Json:
    return {"resources": {"requests": {"cpu": f"{int(share * 1000)}m"}}}


def whole_node(instance: Instance) -> int:
    return int(the_node(instance)["status"]["allocatable"]["cpu"])


@pytest.mark.vm
def test_a_pod_waits_for_room_and_starts_when_another_goes(own_node: Instance) -> None:
    total = whole_node(own_node)
    own_node.submit(manifests.pod("first", manifests.busybox(**cpus(total - 0.1))))
    own_node.wait_for("first", pods.is_ready, "to be ready")
    own_node.submit(manifests.pod("second", manifests.busybox(**cpus(0.5))))
    waiting = own_node.wait_for("second", is_unschedulable, "to be unschedulable")
    words = (
        "0/1 nodes are available: 1 Insufficient cpu. "
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )
    assert scheduled(waiting)["message"] == words
    assert pods.phase(waiting) == "Pending"
    assert "nodeName" not in waiting["spec"]
    wait.wait_until(lambda: f"FailedScheduling {words}" in own_node.events("second"), "the event", 10)
    own_node.discard("first")
    running = own_node.wait_for("second", pods.is_ready, "to be ready")
    assert scheduled(running)["status"] == "True"
    assert any(each.startswith("Scheduled ") for each in own_node.events("second"))


def test_a_pod_that_waits_is_deleted_at_once(node: Instance) -> None:
    node.submit(manifests.pod("never", nodeSelector={"no": "where"}))
    node.wait_for("never", is_unschedulable, "to be unschedulable")
    node.run("delete", "pod", "never")
    assert node.find_pod("never") is None


def test_a_label_on_the_node_lets_a_pod_start_and_outlives_the_kubelet(own_node: Instance) -> None:
    own_node.submit(manifests.pod("picky", nodeSelector={"disk": "ssd"}))
    own_node.wait_for("picky", is_unschedulable, "to be unschedulable")
    label(own_node, disk="ssd")
    own_node.wait_for("picky", pods.is_ready, "to be ready")
    own_node.restart_kubelet()
    assert the_node(own_node)["metadata"]["labels"]["disk"] == "ssd"
    assert the_node(own_node)["metadata"]["labels"]["kubernetes.io/os"] == "linux"


def test_a_pod_waits_on_through_a_restart_of_the_kubelet(own_node: Instance) -> None:
    own_node.submit(manifests.pod("picky", nodeSelector={"disk": "ssd"}))
    own_node.wait_for("picky", is_unschedulable, "to be unschedulable")
    own_node.restart_kubelet()
    label(own_node, disk="ssd")
    own_node.wait_for("picky", pods.is_ready, "to be ready")


def test_taints_and_cordons_keep_new_pods_away(own_node: Instance) -> None:
    patch_node(own_node, {"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}})
    own_node.submit(manifests.pod("plain"))
    own_node.submit(manifests.pod("tolerant", tolerations=[{"key": "gpu", "operator": "Exists"}]))
    waiting = own_node.wait_for("plain", is_unschedulable, "to be unschedulable")
    assert "1 node(s) had untolerated taint {gpu: yes}." in scheduled(waiting)["message"]
    own_node.wait_for("tolerant", pods.is_ready, "to be ready")
    patch_node(own_node, {"spec": {"taints": [], "unschedulable": True}})
    reason = "1 node(s) were unschedulable."
    own_node.wait_for("plain", lambda pod: reason in scheduled(pod)["message"], "to hear of the cordon")
    patch_node(own_node, {"spec": {"unschedulable": False}})
    own_node.wait_for("plain", pods.is_ready, "to be ready")


def test_pods_that_avoid_each_other_run_one_after_the_other(node: Instance) -> None:
    term = {"labelSelector": {"matchLabels": {"app": "alone"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    for name in ("one", "two"):
        node.submit(manifests.pod(name, labels={"app": "alone"}, affinity=apart))
    node.wait_for("one", pods.is_ready, "to be ready")
    waiting = node.wait_for("two", is_unschedulable, "to be unschedulable")
    assert "didn't match pod anti-affinity rules" in scheduled(waiting)["message"]
    node.discard("one")
    node.wait_for("two", pods.is_ready, "to be ready")


def test_a_gate_is_opened_by_a_change(node: Instance) -> None:
    node.submit(manifests.pod("gated", schedulingGates=[{"name": "quota"}]))
    reason = node.wait_for("gated", lambda pod: scheduled(pod).get("reason") == "SchedulingGated", "to be gated")
    assert scheduled(reason)["message"] == "Scheduling is blocked due to non-empty scheduling gates"
    assert "SchedulingGated" in node.run("get", "pods", "gated").stdout
    gates = json.dumps({"spec": {"schedulingGates": []}}).encode()
    path = "/api/v1/namespaces/default/pods/gated"
    node.request("PATCH", path, gates, "application/merge-patch+json")
    node.wait_for("gated", pods.is_ready, "to be ready")


def test_one_port_of_the_host_is_for_one_pod(node: Instance) -> None:
    web = manifests.busybox(ports=[{"containerPort": 45871}])
    node.submit(manifests.pod("host-a", web, hostNetwork=True))
    node.wait_for("host-a", pods.is_ready, "to be ready")
    node.submit(manifests.pod("host-b", web, hostNetwork=True))
    waiting = node.wait_for("host-b", is_unschedulable, "to be unschedulable")
    assert "node(s) didn't have free ports for the requested pod ports" in scheduled(waiting)["message"]
    node.discard("host-a")
    node.wait_for("host-b", pods.is_ready, "to be ready")


def test_a_finished_pod_makes_room(own_node: Instance) -> None:
    big = cpus(whole_node(own_node) - 0.1)
    main = manifests.busybox(script="until [ -e /go ]; do sleep 0.05; done", **big)
    once = manifests.pod("once", main, restartPolicy="Never")
    own_node.submit(once, manifests.pod("next", manifests.busybox(**big)))
    own_node.wait_for("next", is_unschedulable, "to be unschedulable")
    own_node.wait_for("once", pods.is_ready, "to run")
    own_node.exec("once", "touch", "/go", check=False)  # its container may end first
    own_node.wait_for("next", pods.is_ready, "to be ready")
    assert pods.phase(own_node.pod("once")) == "Succeeded"


@pytest.mark.vm
def test_a_pod_that_names_the_node_is_rejected_by_the_kubelet(node: Instance) -> None:
    name = the_node(node)["metadata"]["name"]
    total = whole_node(node)
    greedy = manifests.pod("greedy", manifests.busybox(**cpus(total + 7)), nodeName=name)
    node.submit(greedy, manifests.pod("picky", nodeName=name, nodeSelector={"no": "where"}))
    rejected = node.wait_for("greedy", pods.has_ended, "to be rejected")
    words = f"Node didn't have enough resource: cpu, requested: {total + 7}000, used: 0, capacity: {total}000"
    assert (pods.phase(rejected), rejected["status"]["reason"]) == ("Failed", "OutOfcpu")
    assert rejected["status"]["message"] == f"Pod was rejected: {words}"
    picky = node.wait_for("picky", pods.has_ended, "to be rejected")
    assert picky["status"]["reason"] == "NodeAffinity"
    wait.wait_until(lambda: f"OutOfcpu {words}" in node.events("greedy"), "the event", 10)
    assert "OutOfcpu" in node.run("get", "pods").stdout
    node.restart_kubelet()
    node.run("delete", "pod", "greedy", "picky")
    assert not {"greedy", "picky"} & set(node.pods())


def test_a_pod_of_another_scheduler_is_left_alone(node: Instance) -> None:
    node.submit(manifests.pod("foreign", schedulerName="mine"), manifests.pod("ours"))
    node.wait_for("ours", pods.is_ready, "to be ready")
    assert node.pod("foreign")["status"].get("conditions") is None
    node.run("delete", "pod", "foreign", "ours")
