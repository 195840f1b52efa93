"""Pods go gracefully, or quickly when they are told to, whatever they are doing at the time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance

LONG = 3600  # seconds: more than any test waits
HEEDS = "trap 'echo told to end; exit 42' TERM; echo up; while true; do sleep 0.1; done"
IGNORES = "trap '' TERM; echo up; while true; do sleep 0.1; done"


def started(node: Instance, name: str, script: str, grace: int) -> pods.Json:
    """A pod whose program has set up its handling of signals."""
    node.submit(manifests.pod(name, manifests.busybox(script=script), terminationGracePeriodSeconds=grace))
    pod = node.wait_for(name, pods.is_ready, "to be ready")
    wait.wait_until(lambda: "up" in node.log_lines(pod), f"{name} to be up")
    return pod


def objects(stream: int) -> Iterator[pods.Json]:
    """What comes as JSON, one object after another; at its end a StopIteration, and none waits for ever."""
    text = b""
    while select.select([stream], [], [], wait.patient(20))[0] and (piece := os.read(stream, 1 << 16)):
        text += piece
        with contextlib.suppress(ValueError):
            while text:
                seen, end = json.JSONDecoder().raw_decode(text.decode())
                text = text.decode()[end:].lstrip().encode()
                yield seen


def last_sight(node: Instance, name: str, *words: str) -> tuple[pods.Json, list[str]]:
    """The pod as a watcher saw it last while `podrun delete pod NAME WORDS` went on, and its log at that time."""
    pod = node.pod(name)
    log = node.paths.pod_log_dir("default", name, pods.uid(pod)) / "main" / "0.log"
    watched = subprocess.Popen(
        [COMMAND, "get", "pod", name, "-w", "-o", "json"], env=node.environment, stdout=subprocess.PIPE
    )
    kept = log.open()  # readable after the pod's directory is gone
    try:
        assert watched.stdout is not None
        sights = objects(watched.stdout.fileno())
        seen = next(sights)
        node.run("delete", "pod", name, *words)
        while not pods.terminated(seen):
            seen = next(sights)
        return seen, [line.split(" ", 3)[3] for line in kept.read().splitlines()]
    finally:
        kept.close()
        watched.kill()
        watched.communicate()


@pytest.mark.vm
def test_a_deleted_pod_gets_sigterm_and_its_exit_code_and_last_words_are_kept(node: Instance) -> None:
    started(node, "heeds", HEEDS, LONG)
    seen, log = last_sight(node, "heeds")
    assert pods.terminated(seen)["exitCode"] == 42
    assert log == ["up", "told to end"]
    assert "Killing Stopping container main" in node.events("heeds")


@pytest.mark.vm
def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_period_is_over(node: Instance) -> None:
    started(node, "ignores", IGNORES, 2)
    seen, _ = last_sight(node, "ignores")
    assert pods.terminated(seen)["exitCode"] == 137


@pytest.mark.parametrize(
    "words", [["--grace-period=1"], ["--now"], ["--grace-period=0", "--force"], ["--force"]], ids=str
)
def test_a_shorter_grace_period_can_be_asked_for(node: Instance, words: list[str]) -> None:
    pod = started(node, "shorter", IGNORES, LONG)
    deleted = node.run("delete", "pod", "shorter", *words)
    assert 'pod "shorter"' in deleted.stdout
    wait.wait_until(lambda: not node.pod_group(pod).exists(), "its control group to be gone")
    assert node.find_pod("shorter") is None


def test_a_grace_period_of_nothing_needs_force(node: Instance) -> None:
    node.submit(manifests.pod("unforced"))
    node.wait_for("unforced", pods.is_ready, "to be ready")
    assert node.run("delete", "pod", "unforced", "--grace-period=0").returncode == 0
    assert node.find_pod("unforced") is None


def test_a_deletion_under_way_can_be_made_shorter(node: Instance) -> None:
    pod = started(node, "twice", IGNORES, LONG)
    node.run("delete", "pod", "twice", "--wait=false")
    deleted = node.pod("twice")
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == LONG
    assert node.run("get", "pod", "twice").stdout.splitlines()[1].split()[2] == "Terminating"
    node.run("delete", "pod", "twice", "--grace-period=1")
    wait.wait_until(lambda: not node.pod_group(pod).exists(), "its control group to be gone")


def test_two_who_delete_at_once_are_both_answered(node: Instance) -> None:
    started(node, "both", HEEDS, LONG)
    words = [COMMAND, "delete", "pod", "both"]
    deleters = [
        subprocess.Popen(words, env=node.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    outcomes = [(each.communicate(timeout=wait.patient(60)), each.returncode) for each in deleters]
    assert any(code == 0 for _, code in outcomes)
    for (_, errors), code in outcomes:
        assert code == 0 or b'pods "both" not found' in errors
    assert node.find_pod("both") is None


def test_a_pod_whose_image_is_missing_is_deleted_at_once(node: Instance) -> None:
    absent = manifests.busybox(image="127.0.0.1:9/absent:1")
    node.submit(manifests.pod("imageless", absent, terminationGracePeriodSeconds=LONG))
    node.wait_for("imageless", lambda pod: "Image" in pods.waiting(pod).get("reason", ""), "to miss its image")
    node.run("delete", "pod", "imageless")
    assert node.find_pod("imageless") is None


def test_a_pod_is_deleted_while_it_is_made(node: Instance) -> None:
    for turn in range(10):
        name = f"early-{turn}"
        node.submit(manifests.pod(name))  # the signal may come before the shell's trap, and PID 1 then ignores it
        time.sleep(turn * 0.01)
        node.discard(name)
    node.wait_gone(*(f"early-{turn}" for turn in range(10)))
    wait.wait_until(lambda: not node.remains(), "their files to be gone")


def test_what_a_file_names_is_deleted(node: Instance, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("\n---\n".join(json.dumps(manifests.pod(name)) for name in ("first", "second")))
    node.run("apply", "--wait", "-f", file)
    deleted = node.run("delete", "-f", file)
    assert [line.split('"')[1] for line in deleted.stdout.splitlines()] == ["first", "second"]
    assert not node.pods().keys() & {"first", "second"}
    again = node.run("delete", "-f", file, check=False)
    assert again.returncode == 1
    assert 'pods "first" not found' in again.stderr
    assert 'pods "second" not found' in again.stderr


def test_a_name_can_be_used_again_as_soon_as_its_pod_is_gone(node: Instance) -> None:
    uids = set()
    for _ in range(3):
        node.apply(manifests.pod("again"), wait=True)
        uids.add(pods.uid(node.pod("again")))
        node.run("delete", "pod", "again", "--now")
    assert len(uids) == 3
