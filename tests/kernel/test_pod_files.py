"""The files that podrun manages for a pod, while a program in it holds on to them."""

from __future__ import annotations

from pathlib import Path

import leases
import pytest

from podrun.api import objects
from podrun.kubelet import pod_files
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
