"""How runs and pods end, what is said of it, and what changes a pod that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods, story
from tests.pod.api import Refusal
from tests.pod.instance import NAMESPACE, Instance
from tests.pod.manifests import Json
from tests.pod.story import Story

GATE = "example.com/paid"
OTHER_IMAGE = "busybox:2"


@pytest.fixture
def told(node: Instance) -> Iterator[Story]:
    with Story(node) as tale:
        yield tale


def message(node: Instance, name: str, container: str = "main") -> str:
    """The termination message of a pod's only run."""
    pod = node.wait_for(name, lambda pod: pods.terminated(pod, container), "to end")
    return str(pods.terminated(pod, container).get("message", ""))


def as_applied(pod: Json, **spec: Any) -> Json:
    """The manifest of a pod that exists, with changes."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod["metadata"]["name"]},
        "spec": {key: value for key, value in pod["spec"].items() if key != "nodeName"} | spec,
    }


# ---- deadline --------------------------------------------------------------------------------------------------------


@pytest.mark.vm
def test_a_pod_that_is_longer_active_than_its_deadline_fails(node: Instance, told: Story) -> None:
    container = told.container(script=story.obedient("term", first="start"))
    deadline = max(10, round(wait.patient(2)))  # the container has to start before it
    name = told.submit(container, activeDeadlineSeconds=deadline, terminationGracePeriodSeconds=600)
    told.wait_for("start")
    pod = node.wait_for(name, lambda pod: pods.has_ended(pod) and pods.terminated(pod), "to end")
    assert pods.phase(pod) == "Failed"
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
    assert told.lines() == ["start", "term"]
    assert pods.restarts(pod) == 0
    story.wait_event(node, name, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def test_a_deadline_that_is_set_and_lowered_on_a_running_pod_holds(node: Instance, told: Story) -> None:
    name = told.submit(told.container(script=story.obedient("term")))
    pod = node.wait_for(name, pods.is_ready, "to be ready")
    node.submit(as_applied(pod, activeDeadlineSeconds=600))
    assert pods.is_ready(node.pod(name))
    node.submit(as_applied(pod, activeDeadlineSeconds=1))
    failed = node.wait_for(name, pods.has_ended, "to end")
    assert failed["status"]["reason"] == "DeadlineExceeded"


# ---- last words ------------------------------------------------------------------------------------------------------


@pytest.mark.vm
def test_the_termination_message_is_read_from_its_file(node: Instance, told: Story) -> None:
    script = "printf 'all went well' > /dev/termination-log"
    own = told.container("own", "mkdir -p /var; printf elsewhere > /var/words", terminationMessagePath="/var/words")
    name = told.submit(told.container(script=script), own, restartPolicy="Never")
    assert message(node, name) == "all went well"
    assert message(node, name, "own") == "elsewhere"


def test_a_failed_run_without_last_words_falls_back_to_its_log_where_it_may(node: Instance, told: Story) -> None:
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    name = told.submit(
        told.container("logged", "seq 1 200; echo the end >&2; exit 1", **fallback),
        told.container("written", "echo log; printf words > /dev/termination-log; exit 1", **fallback),
        told.container("fine", "echo log", **fallback),
        told.container("file", "echo log; exit 1"),
        restartPolicy="Never",
    )
    lines = message(node, name, "logged").splitlines()
    assert lines == [*(str(n) for n in range(122, 201)), "the end"]
    assert message(node, name, "written") == "words"
    assert message(node, name, "fine") == ""
    assert message(node, name, "file") == ""


def test_a_long_message_is_cut_to_its_end_and_to_a_share_of_the_pods(node: Instance, told: Story) -> None:
    script = "{ head -c 5000 /dev/zero | tr '\\0' a; printf z; } > /dev/termination-log"
    alone = told.submit(told.container(script=script), restartPolicy="Never")
    six = [told.container(f"c{n}", script) for n in range(6)]
    crowd = told.submit(*six, restartPolicy="Never")
    assert message(node, alone) == "a" * 4095 + "z"
    assert message(node, crowd, "c0") == "a" * 2048


# ---- restart rules ---------------------------------------------------------------------------------------------------


def test_a_containers_own_policy_and_rules_come_before_the_pods(node: Instance, told: Story) -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    ruled = told.container(
        "ruled",
        "note ruled; [ $(grep -c ruled /story/lines) = 1 ] && exit 42; exit 7",
        restartPolicy="Never",
        restartPolicyRules=rules,
    )
    eager = told.container("eager", "note eager; [ $(grep -c eager /story/lines) = 2 ]", restartPolicy="OnFailure")
    name = told.submit(ruled, eager, restartPolicy="Never")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(pod) == "Failed"
    assert pods.terminated(pod, "ruled")["exitCode"] == 7
    assert pods.last_terminated(pod, "ruled")["exitCode"] == 42
    assert pods.terminated(pod, "eager")["exitCode"] == 0
    assert (pods.restarts(pod, "ruled"), pods.restarts(pod, "eager")) == (1, 1)
    assert sorted(told.lines()) == ["eager", "eager", "ruled", "ruled"]


# ---- changes ---------------------------------------------------------------------------------------------------------


@pytest.mark.vm
def test_a_changed_image_restarts_its_container_in_place(node: Instance, told: Story, roots: Path) -> None:
    node.run("image", "import", roots / "busybox", OTHER_IMAGE, "--cmd", "sh")
    changing = told.container("changing", story.obedient("term", first="changing"))
    steady = told.container("steady", "note steady; " + manifests.SLEEP)
    name = told.submit(changing, steady, terminationGracePeriodSeconds=600)
    before = node.wait_for(name, pods.is_ready, "to be ready")
    told.wait_for("changing")
    told.wait_for("steady")
    containers = before["spec"]["containers"]
    node.submit(as_applied(before, containers=[containers[0] | {"image": OTHER_IMAGE}, containers[1]]))
    after = node.wait_for(
        name, lambda pod: pods.restarts(pod, "changing") == 1 and pods.is_ready(pod), "to run with the new image"
    )
    assert pods.container(after, "changing")["image"] == f"docker.io/library/{OTHER_IMAGE}"
    assert pods.container_ids(after)["steady"] == pods.container_ids(before)["steady"]
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert told.lines().index("term") > told.lines().index("changing")
    assert told.lines().count("steady") == 1
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]
    story.wait_event(node, name, "Killing", "Container changing definition changed, will be restarted")


# ---- out of memory ---------------------------------------------------------------------------------------------------


@pytest.mark.vm
def test_a_container_over_its_memory_limit_is_oom_killed(node: Instance, told: Story) -> None:
    limits = {"limits": {"memory": "24Mi"}}
    hungry = manifests.witness("main", "alloc", "200", "then", "hang", resources=limits)
    name = told.submit(hungry, restartPolicy="Never")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(pod) == "Failed"
    assert pods.terminated(pod)["reason"] == "OOMKilled"
    assert pods.terminated(pod)["exitCode"] == 137
    assert story.column(node, name) == "OOMKilled"


# ---- status ----------------------------------------------------------------------------------------------------------


@pytest.mark.vm
def test_the_status_says_all_that_a_kubelet_says(node: Instance, told: Story) -> None:
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
    read_only = {"name": "story", "mountPath": "/again", "readOnly": True}
    name = told.submit(told.container("zeta"), told.container(resources=resources, volumeMounts=[read_only]))
    pod = node.wait_for(name, pods.is_ready, "to be ready")
    status = pod["status"]
    assert status["phase"] == "Running"
    assert status["qosClass"] == "Burstable"
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    assert {"ip": status["hostIP"]} in status["hostIPs"]
    assert status["startTime"]
    assert status["observedGeneration"] == pod["metadata"]["generation"] == 1
    order = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert [each["type"] for each in status["conditions"]] == order
    assert {each["status"] for each in status["conditions"]} == {"True"}
    assert [each["name"] for each in status["containerStatuses"]] == ["main", "zeta"]

    main = pods.container(pod)
    scheme, _, digits = main["containerID"].partition("://")
    assert (scheme, len(digits)) == ("podrun", 64)
    assert main["image"] == f"docker.io/library/{manifests.BUSYBOX}"
    assert main["imageID"].startswith("sha256:")
    assert (main["ready"], main["started"], main["restartCount"], main["lastState"]) == (True, True, 0, {})
    assert main["resources"] == resources
    assert main["allocatedResources"] == resources["requests"]
    assert main["user"] == {"linux": {"uid": 0, "gid": 0, "supplementalGroups": [0]}}
    assert main["volumeMounts"] == [
        {"name": "story", "mountPath": "/story"},
        {"name": "story", "mountPath": "/again", "readOnly": True, "recursiveReadOnly": "Disabled"},
    ]


def test_a_finished_pod_keeps_its_address_and_says_that_it_is_completed(node: Instance, told: Story) -> None:
    name = told.submit(told.container(script=story.until("go")), restartPolicy="Never")
    running = node.wait_for(name, pods.is_running, "to run")
    told.create("go")
    ended = node.wait_for(
        name,
        lambda pod: story.condition(pod, "PodReadyToStartContainers")["status"] == "False" and pods.has_ended(pod),
        "to lose its sandbox",
    )
    assert pods.phase(ended) == "Succeeded"
    assert ended["status"]["podIP"] == running["status"]["podIP"]
    for kind, status in (("Initialized", "True"), ("Ready", "False"), ("ContainersReady", "False")):
        assert story.condition(ended, kind)["status"] == status
        assert story.condition(ended, kind)["reason"] == "PodCompleted"
    assert story.column(node, name) == "Completed"
    assert story.column(node, name, "READY") == "0/1"


# ---- readiness gates -------------------------------------------------------------------------------------------------


def test_a_readiness_gate_is_opened_and_closed_by_others_through_the_status(node: Instance, told: Story) -> None:
    name = told.submit(told.container(), readinessGates=[{"conditionType": GATE}])
    pod = node.wait_for(
        name, lambda pod: story.condition(pod, "ContainersReady").get("status") == "True", "to have ready containers"
    )
    ready = story.condition(pod, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    assert ready["message"] == f'corresponding condition of pod readiness gate "{GATE}" does not exist.'

    patch_gate(node, name, "True")
    opened = node.wait_for(name, pods.is_ready, "to be ready")
    assert story.condition(opened, GATE)["status"] == "True"

    closing = put_gate(node, name, "False")
    assert story.condition(closing, GATE)["status"] == "False"
    closed = node.wait_for(name, lambda pod: not pods.is_ready(pod), "to be unready")
    words = f'the status of pod readiness gate "{GATE}" is not "True", but False'
    assert story.condition(closed, "Ready")["message"] == words
    assert pods.container(closed)["ready"]


def patch_gate(node: Instance, name: str, status: str) -> Json:
    changes = {"status": {"conditions": [{"type": GATE, "status": status}]}}
    path = f"{NAMESPACE}/pods/{name}/status"
    return node.request("PATCH", path, json.dumps(changes).encode(), "application/strategic-merge-patch+json")


def put_gate(node: Instance, name: str, status: str) -> Json:
    """Read, change, replace; again when the kubelet wrote meanwhile."""
    while True:
        pod = node.pod(name)
        story.condition(pod, GATE)["status"] = status
        try:
            return node.request("PUT", f"{NAMESPACE}/pods/{name}/status", json.dumps(pod).encode())
        except Refusal as refusal:
            if refusal.code != 409:
                raise
