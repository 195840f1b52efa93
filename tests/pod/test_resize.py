"""Resources of running pods, changed through the subresource `resize`."""

from __future__ import annotations

import json

import pytest

from tests import wait
from tests.pod import manifests, story
from tests.pod.api import Json, Refusal
from tests.pod.instance import NAMESPACE, Instance
from tests.pod.test_resources import MI, knob, memory_max

PATCH = "application/strategic-merge-patch+json"


def resize(node: Instance, name: str, container: str = "main", **resources: Json) -> Json:
    body = {"spec": {"containers": [{"name": container, "resources": resources}]}}
    return node.request("PATCH", f"{NAMESPACE}/pods/{name}/resize", json.dumps(body).encode(), PATCH)


def shown(pod: Json) -> Json:
    return pod["status"]["containerStatuses"][0]["resources"]


def condition(pod: Json, kind: str) -> str:
    found = [each for each in pod["status"]["conditions"] if each["type"] == kind]
    return f"{found[0].get('reason', '')}: {found[0].get('message', '')}" if found else ""


def pending(pod: Json) -> str:
    return condition(pod, "PodResizePending")


def in_progress(pod: Json) -> str:
    return condition(pod, "PodResizeInProgress")


@pytest.mark.vm
def test_a_running_container_gets_other_limits_without_a_restart(node: Instance) -> None:
    before = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    node.apply(manifests.pod("grow", manifests.busybox(resources=before)), wait=True)
    pod = node.pod("grow")
    group, whole = node.container_group(pod), node.pod_group(pod)
    after = {"requests": {"cpu": "150m", "memory": "48Mi"}, "limits": {"cpu": "500m", "memory": "96Mi"}}
    answer = resize(node, "grow", **after)
    assert answer["spec"]["containers"][0]["resources"] == after
    pod = node.wait_for("grow", lambda each: shown(each) == after, "to have other resources")
    assert memory_max(group) == memory_max(whole) == str(96 * MI)
    assert knob(whole, "cpu", "cpu.max", "cpu.cfs_quota_us").split()[0] == "50000"
    status = pod["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["allocatedResources"]) == (0, after["requests"])
    node.wait_for(
        "grow",
        lambda each: not in_progress(each) and not pending(each),
        "to be through with it",
    )
    resize(node, "grow", limits={"memory": "64Mi"})
    node.wait_for("grow", lambda each: shown(each)["limits"]["memory"] == "64Mi", "to have less again")
    assert memory_max(group) == memory_max(whole) == str(64 * MI)
    for reason in ("ResizeStarted", "ResizeCompleted"):
        story.wait_event(node, "grow", reason, times=2)
        assert story.event_count(node, "grow", reason) == 2
    node.discard("grow", grace=0)


def test_memory_in_use_is_not_taken_away_and_a_policy_of_restarting_is_heeded(node: Instance) -> None:
    filling = manifests.busybox(
        script="head -c 60000000 /dev/zero > /fill; " + manifests.SLEEP,
        resources={"requests": {"cpu": "10m"}, "limits": {"memory": "200Mi"}},
        resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
    )
    node.apply(manifests.pod("full", filling), wait=True)
    group = node.container_group(node.pod("full"))
    wait.wait_until(lambda: group.stats().memory_usage > 50 * MI, "memory to be in use")
    resize(node, "full", limits={"memory": "32Mi"}, requests={"memory": "32Mi"})
    said = "Error: attempting to set pod memory limit (33554432) below current usage"
    pod = node.wait_for("full", lambda each: in_progress(each).startswith(said), "to be told why not")
    assert memory_max(group) == str(200 * MI)

    started = pod["status"]["containerStatuses"][0]["containerID"]
    resize(node, "full", limits={"memory": "300Mi"}, requests={"cpu": "20m"})

    def has_restarted(each: Json) -> bool:
        status = each["status"]["containerStatuses"][0]
        return status["containerID"] != started and status["resources"]["requests"]["cpu"] == "20m"

    pod = node.wait_for("full", has_restarted, "to be restarted with more")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert "Killing Container main resize requires restart" in node.events("full")
    assert memory_max(node.container_group(pod)) == str(300 * MI)
    node.discard("full", grace=0)


def test_what_can_not_be_given_is_infeasible_or_deferred_until_others_end(node: Instance) -> None:
    cpus = int(node.request("GET", "/api/v1/nodes")["items"][0]["status"]["capacity"]["cpu"])
    asked = {"requests": {"cpu": "100m"}}
    half = manifests.pod("half", manifests.busybox(resources={"requests": {"cpu": f"{cpus * 600}m"}}))
    node.apply(manifests.pod("wide", manifests.busybox(resources=asked)), half, wait=True)
    with pytest.raises(Refusal, match="Pod QOS Class may not change as a result of resizing"):
        resize(node, "wide", requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "1", "memory": "1Gi"})

    resize(node, "wide", requests={"cpu": f"{cpus * 2}"})
    text = f"Infeasible: Node didn't have enough capacity: cpu, requested: {cpus * 2000}, capacity: {cpus * 1000}"
    pod = node.wait_for("wide", lambda each: pending(each) == text, "to be told that it never fits")
    assert shown(pod) == asked

    resize(node, "wide", requests={"cpu": f"{cpus * 450}m"})
    node.wait_for("wide", lambda each: pending(each).startswith("Deferred: Node didn't have enough"), "to be deferred")
    node.restart_kubelet()
    node.discard("half", grace=0)
    wanted = {"requests": {"cpu": f"{cpus * 450}m"}}
    node.wait_for("wide", lambda each: shown(each) == wanted and not pending(each), "to get what was free")
    node.discard("wide", grace=0)
