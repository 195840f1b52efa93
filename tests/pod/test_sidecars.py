"""Init containers and sidecars: their order at start and end, what waits for what, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import wait
from tests.pod import pods, story
from tests.pod.instance import Instance
from tests.pod.manifests import Json
from tests.pod.story import Story, until


@pytest.fixture
def told(node: Instance) -> Iterator[Story]:
    with Story(node) as tale:
        yield tale


def living(told: Story, name: str, **fields: Any) -> Json:
    """Notes its name when it starts and NAME-term when it is told to end."""
    return told.container(name, story.obedient(f"{name}-term", first=name), **fields)


def sidecar(told: Story, name: str, **fields: Any) -> Json:
    return living(told, name, restartPolicy="Always", **fields)


def up_when(file: str) -> Json:
    probe = {"exec": {"command": ["cat", f"{story.MOUNT}/{file}"]}, "periodSeconds": 1, "failureThreshold": 1000}
    return {"startupProbe": probe}


def is_initialized(pod: Json) -> bool:
    return bool(story.condition(pod, "Initialized").get("status") == "True")


@pytest.mark.vm
def test_init_containers_run_one_after_another_and_the_column_counts_them(node: Instance, told: Story) -> None:
    steps = [told.container(name, f"note {name}; {until(name)}; note {name}-done") for name in ("one", "two")]
    name = told.submit(living(told, "main"), initContainers=steps)
    told.wait_for("one")
    pod = node.wait_for(name, lambda pod: pods.is_running(pod, "one"), "to run its first init container")
    assert story.column(node, name) == "Init:0/2"
    assert pods.phase(pod) == "Pending"
    assert pods.waiting(pod, "two")["reason"] == "PodInitializing"
    assert pods.waiting(pod, "main")["reason"] == "PodInitializing"
    initialized = story.condition(pod, "Initialized")
    assert initialized["status"] == "False"
    assert initialized["reason"] == "ContainersNotInitialized"
    assert initialized["message"] == "containers with incomplete status: [one two]"

    told.create("one")
    node.wait_for(name, lambda pod: pods.is_running(pod, "two"), "to run its second init container")
    assert story.column(node, name) == "Init:1/2"
    told.create("two")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert told.wait_for("main") == ["one", "one-done", "two", "two-done", "main"]
    assert is_initialized(ready)
    assert pods.terminated(ready, "one")["reason"] == "Completed"
    assert pods.container(ready, "one")["ready"]
    assert story.column(node, name) == "Running"


def test_a_failing_init_container_is_tried_again_with_a_back_off(node: Instance, told: Story) -> None:
    init = told.container("setup", "note setup; [ -e /story/fine ] || exit 4")
    name = told.submit(living(told, "main"), initContainers=[init])
    told.wait_for("setup", 2)
    pod = node.wait_for(name, lambda pod: pods.waiting(pod, "setup").get("reason") == "CrashLoopBackOff", "to back off")
    wait.wait_until(lambda: story.column(node, name) == "Init:CrashLoopBackOff", "the column to say so")
    assert re.match(r"[1-9]\d* \(", story.column(node, name, "RESTARTS"))
    assert pods.phase(pod) == "Pending"
    assert pods.last_terminated(pod, "setup")["exitCode"] == 4
    words = f"back-off 10s restarting failed container=setup pod={name}_default({pods.uid(pod)})"
    assert pods.waiting(pod, "setup")["message"] == words
    assert "main" not in told.lines()
    told.create("fine")
    node.wait_for(name, pods.is_ready, "to be ready after all", 30)
    assert pods.restarts(node.pod(name), "setup") >= 2


def test_a_failing_init_container_fails_a_pod_that_never_restarts(node: Instance, told: Story) -> None:
    inits = [sidecar(told, "side"), told.container("setup", f"{until('go')}; exit 4")]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 600}
    name = told.submit(living(told, "main"), initContainers=inits, **spec)
    told.wait_for("side")
    told.create("go")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(pod) == "Failed"
    assert story.column(node, name) == "Init:Error"
    assert pods.restarts(pod, "setup") == 0
    assert pods.waiting(pod, "main")["reason"] == "PodInitializing"
    told.wait_for("side-term")
    assert "main" not in told.lines()


@pytest.mark.vm
def test_a_sidecar_holds_what_follows_back_until_it_is_up(node: Instance, told: Story) -> None:
    inits = [sidecar(told, "side", **up_when("side-up")), told.container("setup", "note setup")]
    name = told.submit(living(told, "main"), initContainers=inits, terminationGracePeriodSeconds=600)
    told.wait_for("side")
    pod = node.wait_for(name, lambda pod: pods.is_running(pod, "side"), "to run its sidecar")
    assert pods.container(pod, "side")["started"] is False
    assert pods.phase(pod) == "Pending"
    assert story.column(node, name) == "Init:0/2"
    story.wait_event(node, name, "Unhealthy", "Startup probe failed")
    assert told.lines() == ["side"]

    told.create("side-up")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert told.wait_for("main") == ["side", "setup", "main"]
    assert is_initialized(ready)
    assert story.column(node, name, "READY") == "2/2"
    node.discard(name)
    node.wait_gone(name)
    assert told.lines()[3:] == ["main-term", "side-term"]


@pytest.mark.vm
def test_sidecars_end_after_the_regular_containers_in_reverse_order(node: Instance, told: Story) -> None:
    """All preStop hooks begin at once; the last regular container leaves only when it is let go."""
    script = f"trap 'note main-term; {until('leave')}; note main-left; exit 0' TERM; note main; {story.PATIENT}"
    hook = story.lifecycle(preStop=story.noting("side-hook"))
    inits = [sidecar(told, "first"), sidecar(told, "second", **hook), sidecar(told, "third")]
    name = told.submit(told.container("main", script), initContainers=inits, terminationGracePeriodSeconds=600)
    node.wait_for(name, pods.is_ready, "to be ready")
    in_order = ["first", "second", "third", "main"]
    for word in in_order:
        told.wait_for(word)
    began = [pods.container(node.pod(name), each)["state"]["running"]["startedAt"] for each in in_order]
    assert began == sorted(began)
    node.discard(name)
    told.wait_for("main-term")
    told.wait_for("side-hook")
    assert not any(line in told.lines() for line in ("first-term", "second-term", "third-term"))
    told.create("leave")
    node.wait_gone(name)
    told.remove("leave")
    ends = [line for line in told.lines()[4:] if line not in ("main-term", "side-hook")]
    assert ends == ["main-left", "third-term", "second-term", "first-term"]


def test_a_sidecar_is_restarted_whatever_the_pods_policy_and_its_exit_does_not_count(
    node: Instance, told: Story
) -> None:
    side = told.container("side", f"note side; {until('crash')}; rm /story/crash; exit 9", restartPolicy="Always")
    main = told.container("main", f"note main; {until('done')}")
    name = told.submit(main, initContainers=[side], restartPolicy="Never")
    told.wait_for("main")
    told.create("crash")
    again = node.wait_for(
        name, lambda pod: pods.restarts(pod, "side") == 1 and pods.is_running(pod, "side"), "to restart its sidecar"
    )
    assert pods.last_terminated(again, "side")["exitCode"] == 9
    assert pods.phase(again) == "Running"
    told.create("done")
    ended = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(ended) == "Succeeded"
    gone = node.wait_for(name, lambda pod: pods.terminated(pod, "side"), "to end its sidecar too")
    assert pods.terminated(gone, "side")["exitCode"] != 0
    assert told.lines().count("main") == 1
    node.wait_for(name, lambda pod: story.condition(pod, "Initialized").get("reason") == "PodCompleted", "to be over")
    assert story.column(node, name) == "Completed"


def test_a_sidecar_is_restarted_while_a_later_init_container_runs(node: Instance, told: Story) -> None:
    side = told.container("side", f"note side; {until('crash')}; rm /story/crash; exit 1", restartPolicy="Always")
    name = told.submit(living(told, "main"), initContainers=[side, told.container("setup", until("fine"))])
    node.wait_for(name, lambda pod: pods.is_running(pod, "setup"), "to initialize")
    assert story.column(node, name) == "Init:1/2"
    told.create("crash")
    told.wait_for("side", 2)
    told.create("fine")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert pods.restarts(ready, "side") == 1
    assert pods.restarts(ready, "setup") == 0


def test_a_sidecars_readiness_counts_for_the_pod(node: Instance, told: Story) -> None:
    probe = {"exec": {"command": ["cat", f"{story.MOUNT}/fit"]}, "periodSeconds": 1, "failureThreshold": 1}
    name = told.submit(living(told, "main"), initContainers=[sidecar(told, "side", readinessProbe=probe)])
    told.wait_for("main")
    assert not pods.is_ready(node.pod(name))
    told.create("fit")
    node.wait_for(name, pods.is_ready, "to be ready")
    told.remove("fit")
    unready = node.wait_for(name, lambda pod: not pods.is_ready(pod), "to be unready")
    assert story.condition(unready, "Ready")["message"] == "containers with unready status: [side]"


def test_init_containers_do_not_run_again_when_a_regular_container_does(node: Instance, told: Story) -> None:
    main = told.container("main", f"note main; {until('crash')}; rm /story/crash; exit 1")
    name = told.submit(main, initContainers=[told.container("setup", "note setup")])
    told.wait_for("main")
    told.create("crash")
    told.wait_for("main", 2)
    assert told.wait_for("main", times=2) == ["setup", "main", "main"]
    assert is_initialized(node.pod(name))


def test_a_pod_deleted_while_it_initializes_starts_nothing_more(node: Instance, told: Story) -> None:
    inits = [sidecar(told, "side"), told.container("setup", story.obedient("setup-term", 1, first="setup"))]
    name = told.submit(living(told, "main"), initContainers=inits, terminationGracePeriodSeconds=600)
    told.wait_for("side")
    told.wait_for("setup")
    node.discard(name)
    node.wait_gone(name)
    assert sorted(told.lines()) == ["setup", "setup-term", "side", "side-term"]


def test_sidecars_end_together_when_the_grace_period_is_over(node: Instance, told: Story) -> None:
    """The regular container does not heed the signal at all."""
    stubborn = told.container("main", f"trap 'note main-term' TERM; note main; {story.PATIENT}")
    inits = [sidecar(told, "first"), sidecar(told, "second")]
    name = told.submit(stubborn, initContainers=inits, terminationGracePeriodSeconds=1)
    node.wait_for(name, pods.is_ready, "to be ready")
    for word in ("first", "second", "main"):
        told.wait_for(word)
    node.discard(name)
    node.wait_gone(name)
    assert sorted(told.lines()[3:]) == ["first-term", "main-term", "second-term"]


def test_a_sidecar_whose_startup_probe_fails_is_restarted_and_blocks_the_rest(node: Instance, told: Story) -> None:
    probe = {"exec": {"command": ["cat", f"{story.MOUNT}/up"]}, "periodSeconds": 1, "failureThreshold": 1}
    name = told.submit(living(told, "main"), initContainers=[sidecar(told, "side", startupProbe=probe)])
    told.wait_for("side", 2)
    assert "main" not in told.lines()
    story.wait_event(node, name, "Killing", "Container side failed startup probe, will be restarted")
    told.create("up")
    node.wait_for(name, pods.is_ready, "to be ready", 30)
    assert told.wait_for("main")[-1] == "main"
