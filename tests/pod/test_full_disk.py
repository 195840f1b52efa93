"""A disk without room: containers run on, exits are recorded, messages are clear, and with room again all goes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.store.database import RESERVE
from tests import wait
from tests.pod import manifests, pods
from tests.pod.conftest import MakeInstance
from tests.pod.instance import Instance


@pytest.fixture
def full_node(make_instance: MakeInstance, own_disk: Path) -> Iterator[Instance]:
    """All of the instance's files are on the small disk."""
    settings = {"root": own_disk / "root", "run_dir": own_disk / "run", "log_dir": own_disk / "log"}
    with make_instance(**settings) as instance:
        yield instance


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is left."""
    path = disk / "filler"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while os.write(descriptor, b"x" * size):
                    pass
        free = os.statvfs(disk)
        assert free.f_bavail * free.f_frsize <= RESERVE, "no more than a store in need has just given up"
        yield
    finally:
        os.close(descriptor)
        path.unlink()


@pytest.mark.vm
def test_a_full_disk_stops_no_pod_and_loses_no_exit_code(full_node: Instance, own_disk: Path) -> None:
    talking = manifests.busybox(script="trap 'exit 0' TERM; while true; do echo talking; sleep 0.05; done")
    waits = manifests.busybox(script="until [ -e /dev/shm/go ]; do sleep 0.05; done; exit 7")
    full_node.apply(manifests.pod("steady", talking), manifests.pod("short", waits, restartPolicy="Never"), wait=True)
    before = full_node.pod("steady")
    first = full_node.container_pids(before)[0]
    with filled(own_disk):
        assert full_node.exec("steady", "echo", "still here").stdout == "still here\n"
        full_node.exec("short", "touch", "/dev/shm/go", check=False)  # its container may end first
        short = full_node.pod("short")
        wait.wait_until(lambda: not full_node.container_group(short).populated(), "the short one to end")
        refused = full_node.run("apply", "-f", "-", stdin=repr(manifests.pod("late")), check=False)
        if refused.returncode:
            assert "disk" in refused.stderr.lower() or "space" in refused.stderr.lower(), refused.stderr
        full_node.run("get", "pods")
        assert first in full_node.container_pids(before)
    ended = full_node.wait_for("short", pods.has_ended, "its exit code to be told", 60)
    assert pods.terminated(ended)["exitCode"] == 7
    full_node.apply(manifests.pod("late"))
    full_node.wait_for("late", pods.is_ready, "to be ready with room again", 90)
    after = full_node.wait_for("steady", pods.is_ready, "to be ready still")
    assert pods.container_ids(after) == pods.container_ids(before)
    count = len(full_node.log_lines(after))
    wait.wait_until(lambda: len(full_node.log_lines(after)) > count, "the log to go on")


def test_exits_on_a_full_disk_are_known_to_a_new_kubelet(full_node: Instance, own_disk: Path) -> None:
    waits = manifests.busybox(script="until [ -e /dev/shm/go ]; do sleep 0.05; done; exit 9")
    full_node.apply(manifests.pod("short", waits, restartPolicy="Never"), wait=True)
    short = full_node.pod("short")
    with filled(own_disk):
        full_node.exec("short", "touch", "/dev/shm/go", check=False)  # its container may end first
        wait.wait_until(lambda: not full_node.container_group(short).populated(), "the short one to end")
        full_node.kill_kubelet()
    full_node.start_kubelet()
    ended = full_node.wait_for("short", pods.has_ended, "its exit code to be told", 60)
    assert pods.terminated(ended)["exitCode"] == 9


def test_pods_can_be_deleted_on_a_full_disk(full_node: Instance, own_disk: Path) -> None:
    full_node.apply(manifests.pod("unwanted"), wait=True)
    with filled(own_disk):
        full_node.run("delete", "pod", "unwanted", "--now")
        assert full_node.find_pod("unwanted") is None
