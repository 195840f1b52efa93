"""The files that podrun manages for a pod, while a program in it holds on to them."""

from __future__ import annotations

from pathlib import Path

import leases
import pytest

from podrun.api import objects
from podrun.kubelet import pod_files, pod_life, pod_usage
from podrun.kubelet.places import PodPlace
from podrun.network.hosts import Names


def test_a_lease_on_a_managed_file_holds_up_no_kubelet(tmp_path: Path) -> None:
    place = PodPlace("u", tmp_path, tmp_path, tmp_path, "/none", "/none")
    place.etc.mkdir()
    pod = objects.Pod(spec=objects.PodSpec(containers=(objects.Container(name="a", image="i"),)))

    def write(address: str) -> None:
        pod_files.write_hosts(pod, place, (address,), Names("a", "", "a"))

    write("192.0.2.1")
    with leases.held_on(place.etc / "hosts"), pytest.raises(BlockingIOError):
        write("192.0.2.2")
    write("192.0.2.2")
    assert "192.0.2.2" in (place.etc / "hosts").read_text(), "control"

    message = place.termination_log("a", 0)
    pod_files.make_termination_log(message)
    message.write_text("last words")
    with leases.held_on(message):
        assert pod_files.termination_message(place, pod.spec, pod.spec.containers[0], 0, failed=True) == ""
    with leases.held_on(message), pytest.raises(BlockingIOError):
        pod_files.make_termination_log(message)
    assert pod_files.termination_message(place, pod.spec, pod.spec.containers[0], 0, failed=True) == "last words"


def test_what_a_program_writes_to_managed_files_counts_as_its_pods(tmp_path: Path) -> None:
    place = PodPlace("u", tmp_path / "run", tmp_path / "pod", tmp_path / "log", "/none", "/none")
    pod = objects.Pod(spec=objects.PodSpec(containers=(objects.Container(name="a", image="i"),)))
    life = pod_life.born(pod, 0.0)
    place.etc.mkdir(parents=True)
    place.upper("a", 0).mkdir(parents=True)
    before = pod_usage.disk(pod, life, place)
    for path in (place.etc / "hosts", place.termination_log("a", 0)):
        path.write_bytes(bytes(1 << 20))
    after = pod_usage.disk(pod, life, place)
    assert after.containers["a"] >= before.containers["a"] + (1 << 20)
    assert sum(after.volumes.values()) >= sum(before.volumes.values()) + (1 << 20)
    assert after.inodes == before.inodes + 2
