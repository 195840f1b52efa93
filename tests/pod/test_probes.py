"""Liveness, readiness and startup probes against real servers and commands in containers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wait
from tests.fakes import health_server
from tests.pod import manifests, pods, story
from tests.pod.instance import Instance
from tests.pod.manifests import Json
from tests.pod.story import Story

SERVE = "mkdir /www; httpd -p 8080 -h /www; "
QUICK = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 20}


@pytest.fixture
def told(node: Instance) -> Iterator[Story]:
    with Story(node) as tale:
        yield tale


def http(path: str = "/", port: int | str = 8080, **fields: object) -> Json:
    return {"httpGet": {"path": path, "port": port}} | QUICK | fields


def file_exists(name: str, **fields: object) -> Json:
    """An exec probe that succeeds while the story's file exists."""
    return {"exec": {"command": ["cat", f"{story.MOUNT}/{name}"]}} | QUICK | fields


def is_unready(pod: Json) -> bool:
    return not pods.is_ready(pod)


@pytest.mark.vm
def test_an_http_readiness_probe_says_whether_the_pod_is_ready(node: Instance, told: Story) -> None:
    ports = [{"name": "web", "containerPort": 8080}]
    name = told.submit(told.container(script=SERVE + manifests.SLEEP, readinessProbe=http("/ok", "web"), ports=ports))
    story.wait_event(node, name, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    unready = node.wait_for(name, pods.is_running, "to run")
    assert not pods.container(unready)["ready"]
    assert pods.container(unready)["started"]
    for kind in ("Ready", "ContainersReady"):
        condition = story.condition(unready, kind)
        assert condition["status"] == "False"
        assert condition["reason"] == "ContainersNotReady"
        assert condition["message"] == "containers with unready status: [main]"

    node.exec(name, "touch", "/www/ok")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert pods.container(ready)["ready"]
    node.exec(name, "rm", "/www/ok")
    node.wait_for(name, is_unready, "to be unready again")
    assert pods.restarts(node.pod(name)) == 0


def test_a_tcp_probe_succeeds_once_somebody_listens(node: Instance, told: Story) -> None:
    script = f"until [ -e {story.MOUNT}/go ]; do sleep 0.05; done; {SERVE}{manifests.SLEEP}"
    probe = {"tcpSocket": {"port": 8080}} | QUICK
    name = told.submit(told.container(script=script, readinessProbe=probe))
    story.wait_event(node, name, "Unhealthy", "Readiness probe failed: dial tcp")
    told.create("go")
    node.wait_for(name, pods.is_ready, "to be ready")


def test_a_grpc_probe_asks_the_health_service(node: Instance, told: Story) -> None:
    name = told.submit(told.container(readinessProbe={"grpc": {"port": 8081}} | QUICK | {"timeoutSeconds": 2}))
    pod = node.wait_for(name, pods.is_running, "to run")
    file = told.directory / "healthy"
    enter = ["nsenter", f"--net=/proc/{node.pause_pid(pod)}/ns/net"]
    with subprocess.Popen([*enter, sys.executable, health_server.__file__, "8081", str(file)]) as server:
        try:
            story.wait_event(node, name, "Unhealthy", 'service unhealthy (responded with "NOT_SERVING")')
            file.touch()
            node.wait_for(name, pods.is_ready, "to be ready")
        finally:
            server.kill()
    node.wait_for(name, is_unready, "to be unready without the server")


def test_a_container_without_a_readiness_probe_is_ready_at_once_and_one_with_an_unknown_port_never(
    node: Instance, told: Story
) -> None:
    plain = told.submit(told.container())
    lost = told.submit(told.container(readinessProbe=http("/", "nowhere")))
    node.wait_for(plain, pods.is_ready, "to be ready")
    story.wait_event(node, lost, "Unhealthy", "Readiness probe errored")
    assert is_unready(node.pod(lost))


@pytest.mark.vm
def test_a_failed_liveness_probe_ends_the_container_and_another_run_follows(node: Instance, told: Story) -> None:
    script = story.obedient("term", 7, first="start")
    probe = file_exists("alive", failureThreshold=2)
    told.create("alive")
    name = told.submit(
        told.container(script=script, livenessProbe=probe, **story.lifecycle(preStop=story.noting("prestop"))),
        terminationGracePeriodSeconds=600,
    )
    first = node.wait_for(name, pods.is_ready, "to be ready")
    told.wait_for("start")
    told.remove("alive")
    told.wait_for("term")  # nobody asks this run any more, and the next one is to live
    told.create("alive")
    again = node.wait_for(name, lambda pod: pods.restarts(pod) == 1, "to run again")

    assert told.lines()[:3] == ["start", "prestop", "term"]
    assert pods.last_terminated(again)["exitCode"] == 7
    assert pods.last_terminated(again)["reason"] == "Error"
    assert pods.last_terminated(again)["containerID"] == pods.container(first)["containerID"]
    story.wait_event(node, name, "Killing", "Container main failed liveness probe, will be restarted")
    story.wait_event(node, name, "Unhealthy", "Liveness probe failed: cat: can't open '/story/alive'", times=2)
    node.wait_for(name, pods.is_ready, "to be ready again")


def test_failures_of_a_liveness_probe_below_its_threshold_or_not_in_a_row_do_nothing(
    node: Instance, told: Story
) -> None:
    flaky = "note probe; [ $(( $(wc -l < /story/lines) % 3 )) = 0 ]"  # two of three fail
    probe = story.shell(flaky) | QUICK | {"failureThreshold": 3}
    name = told.submit(told.container(livenessProbe=probe))
    told.wait_for("probe", 7)
    story.wait_event(node, name, "Unhealthy", times=4)
    assert pods.restarts(node.pod(name)) == 0
    assert pods.is_running(node.pod(name))


def test_the_same_failure_of_a_probe_is_one_event_with_a_count(node: Instance, told: Story) -> None:
    name = told.submit(told.container(readinessProbe=story.shell("echo broken; exit 1") | QUICK))
    story.wait_event(node, name, "Unhealthy", "Readiness probe failed: broken", times=3)
    assert sum(event.startswith("Unhealthy") for event in node.events(name)) == 1


def test_a_probes_own_grace_period_replaces_the_pods(node: Instance, told: Story) -> None:
    """The shell does not heed SIGTERM: with the pod's ten minutes it would run on beyond any patience."""
    script = f"note start; {story.PATIENT}"
    probe = file_exists("alive", terminationGracePeriodSeconds=1)
    told.create("alive")
    name = told.submit(told.container(script=script, livenessProbe=probe), terminationGracePeriodSeconds=600)
    node.wait_for(name, pods.is_ready, "to be ready")
    told.remove("alive")
    again = node.wait_for(name, lambda pod: pods.restarts(pod) >= 1, "to run again")
    assert pods.last_terminated(again)["exitCode"] == 137


def test_a_failed_liveness_probe_ends_a_pod_that_never_restarts(node: Instance, told: Story) -> None:
    name = told.submit(told.container(livenessProbe=file_exists("never")), restartPolicy="Never")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.restarts(pod) == 0
    story.wait_event(node, name, "Killing", "Container main failed liveness probe")
    assert story.event_count(node, name, "Killing", "will be restarted") == 0


@pytest.mark.vm
def test_the_startup_probe_holds_the_others_back(node: Instance, told: Story) -> None:
    container = told.container(
        startupProbe=file_exists("up", failureThreshold=1000),
        livenessProbe=story.noting("live") | QUICK,
        readinessProbe=story.noting("ready") | QUICK,
    )
    name = told.submit(container)
    story.wait_event(node, name, "Unhealthy", "Startup probe failed", times=2)
    starting = node.pod(name)
    assert pods.container(starting)["started"] is False
    assert pods.is_running(starting)
    assert is_unready(starting)
    assert told.lines() == []

    told.create("up")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert pods.container(ready)["started"] is True
    told.wait_for("live", 2)
    told.wait_for("ready", 2)
    asked = story.event_count(node, name, "Unhealthy", "Startup")
    told.remove("up")
    told.wait_for("live", 4)
    assert story.event_count(node, name, "Unhealthy", "Startup") == asked, "a startup probe went on after its success"


def test_a_failed_startup_probe_restarts_the_container(node: Instance, told: Story) -> None:
    name = told.submit(told.container(startupProbe=file_exists("up", failureThreshold=2)))
    again = node.wait_for(name, lambda pod: pods.restarts(pod) == 1, "to run again")
    assert pods.container(again)["started"] is False
    story.wait_event(node, name, "Killing", "Container main failed startup probe, will be restarted")
    told.create("up")
    node.wait_for(name, pods.is_ready, "to be ready")


def test_an_exec_probe_that_hangs_is_killed_with_its_children(node: Instance, told: Story) -> None:
    """What it left would be seen in the container's group; a failure is told with the kubelet's words."""
    hang = "note probe; sleep 54321 & sleep 54321"
    probe = story.shell(hang) | {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1000}
    name = told.submit(told.container(readinessProbe=probe))
    story.wait_event(node, name, "Unhealthy", "Readiness probe failed: command timed out", times=2)
    pod = node.pod(name)

    def hanging() -> int:
        return sum(b"54321" in command_line(pid) for pid in node.pod_group(pod).pids(tree=True))

    wait.wait_until(lambda: hanging() <= 3, "no more than the shell and its children of one probe")
    told.wait_for("probe", 5)
    wait.wait_until(lambda: hanging() <= 3, "those of the probes before to be gone")


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_an_exec_probe_has_the_containers_environment_and_directory(node: Instance, told: Story) -> None:
    script = '[ "$COLOUR" = green ] && [ "$PWD" = /tmp ] && [ "$0" = from-env-green ]'
    probe = {"exec": {"command": ["sh", "-c", script, "from-env-$(COLOUR)"]}} | QUICK
    env = [{"name": "COLOUR", "value": "green"}]
    name = told.submit(told.container(readinessProbe=probe, env=env, workingDir="/tmp"))
    node.wait_for(name, pods.is_ready, "to be ready")


def test_readiness_is_asked_while_a_pod_ends_and_liveness_is_not(node: Instance, told: Story) -> None:
    container = told.container(
        script=f"trap 'note term' TERM; {story.PATIENT}",
        readinessProbe=story.noting("ready", "cat /story/fit") | QUICK,
        livenessProbe=story.noting("live") | QUICK,
    )
    told.create("fit")
    name = told.submit(container, terminationGracePeriodSeconds=600)
    node.wait_for(name, pods.is_ready, "to be ready")
    told.wait_for("live")
    node.discard(name)
    at_term = told.wait_for("term")
    told.wait_for("ready", at_term.count("ready") + 2)
    told.remove("fit")
    ending = node.wait_for(name, is_unready, "to be unready while it ends")
    assert pods.is_running(ending)
    assert ending["metadata"]["deletionTimestamp"]
    assert told.lines().count("live") <= at_term.count("live") + 1, "one may have been under way"


def test_a_new_run_is_probed_anew(node: Instance, told: Story) -> None:
    told.create("fit")
    script = "note start; until [ -e /story/crash ]; do sleep 0.05; done; rm /story/crash /story/fit; exit 3"
    name = told.submit(told.container(script=script, readinessProbe=file_exists("fit")))
    node.wait_for(name, pods.is_ready, "to be ready")
    told.create("crash")
    told.wait_for("start", 2)
    again = node.wait_for(name, lambda pod: pods.restarts(pod) == 1 and pods.is_running(pod), "to run again")
    assert is_unready(again)
    told.create("fit")
    node.wait_for(name, pods.is_ready, "to be ready again")


def test_a_probe_goes_on_under_the_next_kubelet_and_readiness_is_kept_meanwhile(own_node: Instance) -> None:
    with Story(own_node) as tale:
        tale.create("fit")
        name = tale.submit(tale.container(readinessProbe=file_exists("fit"), livenessProbe=file_exists("fit")))
        since = story.condition(own_node.wait_for(name, pods.is_ready, "to be ready"), "Ready")["lastTransitionTime"]
        own_node.kill_kubelet()
        own_node.start_kubelet()
        kept = story.condition(own_node.pod(name), "Ready")
        assert kept["status"] == "True"
        assert kept["lastTransitionTime"] == since
        tale.remove("fit")
        own_node.wait_for(name, lambda pod: pods.restarts(pod) == 1, "to be restarted by the next kubelet")
