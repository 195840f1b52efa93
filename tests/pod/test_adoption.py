"""A kubelet that dies at any moment: nothing in a pod notices, and the next one takes over all that it left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods, story
from tests.pod.instance import COMMAND, Instance
from tests.pod.manifests import Json

COUNT = "n=0; while true; do n=$((n+1)); echo $n; sleep 0.01; done"
NOTE_START = 'echo $HOSTNAME >> "/shared/$CONTAINER"; '


@pytest.fixture
def shared(own_node: Instance) -> Path:
    """A directory of the machine that containers see as /shared."""
    directory = own_node.directory / "shared"
    directory.mkdir()
    return directory


def recorded(name: str, script: str, **fields: object) -> Json:
    """A container that adds a line to /shared/NAME at each start."""
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    env = [{"name": "CONTAINER", "value": name}]
    return manifests.busybox(name, NOTE_START + script, volumeMounts=mounts, env=env, **fields)


def shared_volume(directory: Path) -> Json:
    return {"volumes": [{"name": "shared", "hostPath": {"path": str(directory), "type": "Directory"}}]}


def starts(directory: Path, container: str) -> int:
    path = directory / container
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_dead(node: Instance, pod: Json, container: str = "main") -> None:
    group = node.container_group(pod, container)
    wait.wait_until(lambda: not group.exists() or not group.populated(), f"{container} to end without a kubelet")


@pytest.mark.vm
def test_a_killed_kubelets_successor_finds_the_same_processes_and_no_line_of_log_is_lost(
    own_node: Instance, shared: Path
) -> None:
    steady = (recorded("counter", COUNT), recorded("sleeper", manifests.SLEEP))
    own_node.submit(manifests.pod("steady", *steady, **shared_volume(shared)))
    before = own_node.wait_for("steady", pods.is_ready, "to be ready")
    first = {name: own_node.container_pids(before, name)[0] for name in ("counter", "sleeper")}
    counted = len(own_node.log_lines(before, "counter"))

    own_node.kill_kubelet()
    wait.wait_until(lambda: len(own_node.log_lines(before, "counter")) > counted + 20, "the log to grow alone")
    own_node.start_kubelet()

    after = own_node.wait_for("steady", pods.is_ready, "to be ready still")
    assert pods.container_ids(after) == pods.container_ids(before)
    assert {name: own_node.container_pids(after, name)[0] for name in first} == first
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert own_node.exec("steady", "true", container="sleeper").returncode == 0
    assert [starts(shared, name) for name in first] == [1, 1]
    lines = own_node.log_lines(after, "counter")
    assert lines == [str(n + 1) for n in range(len(lines))]
    assert pods.restarts(after, "counter") == 0


def test_an_exec_waits_for_a_pod_that_is_being_taken_over(own_node: Instance) -> None:
    own_node.submit(manifests.pod("slow"))
    pod = own_node.wait_for("slow", pods.is_ready, "to be ready")
    shim = own_node.shim_pid(pod)
    own_node.kill_kubelet()
    os.kill(shim, signal.SIGSTOP)
    try:
        own_node.start_kubelet()  # it does not wait for ever for a pod whose shim says nothing
        words = [COMMAND, "exec", "slow", "--", "echo", "taken over"]
        asking = subprocess.Popen(words, env=own_node.environment, stdout=subprocess.PIPE, text=True)
        time.sleep(1)  # in which it would be refused
    finally:
        os.kill(shim, signal.SIGCONT)
    said, _ = asking.communicate(timeout=wait.patient(30))
    assert (asking.returncode, said) == (0, "taken over\n")


def test_who_follows_goes_on_with_the_next_kubelet(own_node: Instance, shared: Path) -> None:
    until_told = "n=0; until [ -e /shared/go ]; do n=$((n+1)); echo $n; sleep 0.005; done"
    container = recorded("counter", until_told)
    own_node.submit(manifests.pod("counting", container, restartPolicy="Never", **shared_volume(shared)))
    pod = own_node.wait_for("counting", pods.is_ready, "to be ready")
    commands = {
        "logs": ["logs", "-f", "counting"],
        "prefixed": ["logs", "-f", "--prefix", "--timestamps", "counting"],
        "get": ["get", "pods", "-w"],
        "events": ["events", "-w"],
        "wait": ["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/counting", "--timeout=100s"],
    }
    outputs = {name: own_node.directory / f"{name}.txt" for name in commands}
    running = {}
    for name, words in commands.items():
        with outputs[name].open("wb") as file:
            running[name] = subprocess.Popen([COMMAND, *words], env=own_node.environment, stdout=file)
    try:
        for name in ("logs", "prefixed", "get", "events"):
            wait.wait_until(lambda path=outputs[name]: path.stat().st_size, f"{name} to print something")
        for _ in range(2):
            running["wait"].send_signal(signal.SIGSTOP)  # else it starts a kubelet itself
            own_node.kill_kubelet()
            enough = len(own_node.log_lines(pod, "counter")) + 20
            wait.wait_until(lambda most=enough: len(own_node.log_lines(pod, "counter")) > most, "the log to grow alone")
            own_node.start_kubelet()
            running["wait"].send_signal(signal.SIGCONT)
            printed = outputs["logs"].stat().st_size
            wait.wait_until(lambda size=printed: outputs["logs"].stat().st_size > size, "the log to be followed on")
        (shared / "go").touch()
        codes = {name: running[name].wait(wait.patient(30)) for name in ("logs", "prefixed", "wait")}
        assert codes == dict.fromkeys(codes, 0)
        wait.wait_until(lambda: "Completed" in outputs["get"].read_text(), "get -w to show the end")
        own_node.discard("counting")
        wait.wait_until(lambda: "Started" in outputs["events"].read_text(), "events -w to show the start")
    finally:
        for one in running.values():
            one.kill()
            one.wait()
    lines = outputs["logs"].read_text().splitlines()
    assert lines == [str(n + 1) for n in range(len(lines))]
    prefixed = [line.split() for line in outputs["prefixed"].read_text().splitlines()]
    assert [words[2] for words in prefixed] == lines
    events = [line.split()[2] for line in outputs["events"].read_text().splitlines()[1:]]
    assert len(events) == len(set(events)), "an event was shown again"


@pytest.mark.vm
def test_what_ends_while_there_is_no_kubelet_is_told_by_the_next_one(own_node: Instance, shared: Path) -> None:
    short = recorded("short", "until [ -e /shared/go ]; do sleep 0.02; done; echo bye; exit 7")
    again = recorded(
        "again",
        "until [ -e /shared/go ]; do sleep 0.02; done; [ $(wc -l < /shared/again) -gt 1 ] || exit 3; "
        + manifests.SLEEP,
    )
    own_node.submit(
        manifests.pod("short", short, restartPolicy="Never", **shared_volume(shared)),
        manifests.pod("again", again, **shared_volume(shared)),
    )
    one = own_node.wait_for("short", pods.is_ready, "to be ready")
    two = own_node.wait_for("again", pods.is_ready, "to be ready")
    wait.wait_until(lambda: starts(shared, "short") and starts(shared, "again"), "both to note their start")

    own_node.kill_kubelet()
    (shared / "go").touch()
    wait_dead(own_node, one, "short")
    wait_dead(own_node, two, "again")
    own_node.start_kubelet()

    ended = own_node.wait_for("short", pods.has_ended, "to have failed")
    assert pods.phase(ended) == "Failed"
    assert pods.terminated(ended, "short")["exitCode"] == 7
    assert own_node.log_lines(ended, "short") == ["bye"]
    restarted = own_node.wait_for("again", lambda pod: pods.restarts(pod, "again") == 1, "to run again")
    assert pods.last_terminated(restarted, "again")["exitCode"] == 3
    own_node.wait_for("again", pods.is_ready, "to be ready again")
    wait.wait_until(lambda: starts(shared, "again") >= 2, "the second start to be noted")
    assert (starts(shared, "short"), starts(shared, "again")) == (1, 2)


def test_a_kubelet_killed_while_a_pod_starts_leaves_a_pod_that_its_successor_completes(
    own_node: Instance, shared: Path
) -> None:
    moments = random.Random(1)
    for turn in range(8):
        name = f"pod-{turn}"
        init = recorded(f"{name}-init", "exit 0")
        containers = [recorded(f"{name}-{each}", manifests.SLEEP) for each in ("a", "b")]
        own_node.submit(manifests.pod(name, *containers, initContainers=[init], **shared_volume(shared)))
        time.sleep(moments.uniform(0, 0.12))
        own_node.kill_kubelet()
        own_node.start_kubelet()
    for turn in range(8):
        pod = own_node.wait_for(f"pod-{turn}", pods.is_ready, "to be ready")
        names = [f"pod-{turn}-{each}" for each in ("a", "b")]
        wait.wait_until(lambda names=names: all(starts(shared, name) for name in names), "both to note their start")
        runs = [starts(shared, name) for name in names]
        assert runs == [1, 1], f"an attempt ran twice, or a start was not seen: {pod['status']}"
        assert starts(shared, f"pod-{turn}-init") == 1
        assert [each["restartCount"] for each in pod["status"]["containerStatuses"]] == [0, 0]


def test_nothing_runs_in_a_sandbox_that_the_next_kubelet_would_not_know_of(own_node: Instance, shared: Path) -> None:
    """The kubelet is killed while the store takes nothing: its successor must not run the init container again."""
    late = own_node.directory / "late"
    missing = {"name": "late", "hostPath": {"path": str(late), "type": "Directory"}}
    volumes = [*shared_volume(shared)["volumes"], missing]
    init = recorded("init", "exit 0")
    main = recorded("main", manifests.SLEEP, image="brought:1", imagePullPolicy="Never")
    own_node.submit(manifests.pod("unnoted", main, initContainers=[init], volumes=volumes))
    story.wait_event(own_node, "unnoted", "FailedMount")
    pause = own_node.pod_group(own_node.pod("unnoted")).child("pause")
    with contextlib.closing(sqlite3.connect(own_node.paths.database, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        late.mkdir()
        wait.wait_until(lambda: pause.exists() and pause.populated(), "a sandbox to be made")
        time.sleep(0.5)  # in which the init container would run
        own_node.kill_kubelet()
    own_node.start_kubelet()
    own_node.run("image", "tag", manifests.BUSYBOX, "brought:1")  # only now the main container can run
    own_node.wait_for("unnoted", pods.is_ready, "to be ready")
    assert starts(shared, "init") == 1


def test_a_kubelet_killed_while_a_pod_is_deleted_leaves_a_deletion_that_its_successor_completes(
    own_node: Instance,
) -> None:
    moments = random.Random(2)
    names = [f"pod-{turn}" for turn in range(6)]
    own_node.submit(*(manifests.pod(name) for name in names))
    for name in names:
        own_node.wait_for(name, pods.is_ready, "to be ready")
    for name in names:
        own_node.discard(name)
        time.sleep(moments.uniform(0, 0.3))
        own_node.kill_kubelet()
        own_node.start_kubelet()
    own_node.wait_gone(*names)
    wait.wait_until(lambda: own_node.remains() == [], "their files to be gone")


def test_a_pod_that_is_deleted_by_force_while_the_kubelet_is_stopped_is_swept(own_node: Instance) -> None:
    own_node.submit(manifests.pod("forced"))
    pod = own_node.wait_for("forced", pods.is_ready, "to be ready")
    own_node.discard("forced", grace=0)
    own_node.kill_kubelet()
    own_node.start_kubelet()
    wait.wait_until(lambda: not own_node.pod_group(pod).exists(), "its control group to be gone")
    wait.wait_until(lambda: own_node.remains() == [], "its files to be gone")


def test_stopping_the_kubelet_stops_no_pod(own_node: Instance) -> None:
    own_node.submit(manifests.pod("steady"))
    before = own_node.wait_for("steady", pods.is_ready, "to be ready")
    (first, *_) = own_node.container_pids(before)
    assert own_node.stop_kubelet() == 0
    assert first in own_node.container_pids(before)
    own_node.start_kubelet()
    after = own_node.wait_for("steady", pods.is_ready, "to be ready still")
    assert pods.container_ids(after) == pods.container_ids(before)
    assert own_node.container_pids(after)[0] == first
