"""Several pods and clients at once: own addresses, watches, logs that are followed, applies that change nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance

COUNT = 20


def test_twenty_pods_at_once_have_addresses_of_their_own_and_go_together(node: Instance) -> None:
    names = [f"many-{n}" for n in range(COUNT)]
    node.submit(*(manifests.pod(name, labels={"group": "many"}) for name in names))
    addresses = [pods.address(node.wait_for(name, pods.is_ready, "to be ready", 60)) for name in names]
    assert len(set(addresses)) == COUNT
    node.run("delete", "pods", "-l", "group=many")
    assert not set(names) & node.pods().keys()


@pytest.mark.vm
def test_a_watcher_sees_a_pod_come_start_and_go(node: Instance, tmp_path: Path) -> None:
    words = [COMMAND, "get", "pods", "-w"]
    shown = tmp_path / "shown"
    with shown.open("wb") as output:
        watcher = subprocess.Popen(words, env=node.environment, stdout=output)

    def statuses() -> list[str]:
        """The STATUS column of each line about the pod so far."""
        lines = [line.split() for line in shown.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line[2] for line in lines if line[0] == "watched"]

    try:
        node.apply(manifests.pod("watched"), wait=True)
        wait.wait_until(lambda: "Running" in statuses(), "the pod to be shown")
        node.run("delete", "pod", "watched")
        wait.wait_until(lambda: "Terminating" in statuses(), "its end to be shown")
    finally:
        watcher.kill()
        watcher.wait()


def test_applying_the_same_again_changes_nothing(node: Instance) -> None:
    manifest = manifests.pod("same", labels={"a": "1"})
    assert node.apply(manifest, wait=True).stdout == "pod/same created\n"
    before = node.pod("same")
    assert node.apply(manifest).stdout == "pod/same unchanged\n"
    after = node.pod("same")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    manifest["metadata"]["labels"] = {"a": "2"}
    assert node.apply(manifest).stdout == "pod/same configured\n"
    assert pods.container_ids(node.pod("same")) == pods.container_ids(before)


def test_a_log_is_followed_to_its_end(node: Instance) -> None:
    script = "for n in 1 2 3 4 5; do echo line $n; sleep 0.1; done"
    node.apply(manifests.pod("followed", manifests.busybox(script=script), restartPolicy="Never"))
    pod = node.wait_for("followed", lambda pod: pods.is_running(pod) or pods.has_ended(pod), "to have begun")
    wait.wait_until(lambda: node.log_lines(pod), "the first line")
    assert node.logs("followed", "main", "-f") == [f"line {n}" for n in range(1, 6)]
    assert node.logs("followed", "main", "--tail", "2") == ["line 4", "line 5"]
