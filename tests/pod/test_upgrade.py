"""podrun is replaced by a newer one while pods run: their shims are of the older one, frozen in tests/frozen."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from tests import wait
from tests.pod import instance, manifests, pods
from tests.pod.conftest import MakeInstance

FROZEN = Path(__file__).parents[1] / "frozen" / "podrun-0.1.tar.xz"
TICKS = "trap 'exit 0' TERM; while true; do echo tick; sleep 0.2; done"


@pytest.fixture
def older_command(tmp_path: Path) -> list[str]:
    """`podrun` of the frozen version, with this version's other packages."""
    with tarfile.open(FROZEN) as archive:
        archive.extractall(tmp_path / "older")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "older.pth").write_text(f"{tmp_path / 'older'}\n{sysconfig.get_path('purelib')}\n")
    return [str(environment / "bin" / "python"), "-m", "podrun.cli"]


@pytest.mark.vm
def test_pods_of_an_older_podrun_run_on_and_are_restarted_by_the_newer_one(
    make_instance: MakeInstance, older_command: list[str]
) -> None:
    node = make_instance()
    newer_command, node.kubelet_command = node.kubelet_command, older_command
    with node:
        probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 20}
        ticking = manifests.busybox("ticking", TICKS, livenessProbe=probe)
        node.submit(manifests.pod("old", ticking, manifests.busybox("other", manifests.SLEEP)))
        before = node.wait_for("old", pods.is_ready, "to be ready under the older podrun")
        pids = [node.container_pids(before, name)[0] for name in ("ticking", "other")]
        shim = node.shim_pid(before)

        node.stop_kubelet()
        node.kubelet_command = newer_command
        node.start_kubelet()
        after = node.wait_for("old", pods.is_ready, "to be ready under the newer podrun")
        assert [node.container_pids(after, name)[0] for name in ("ticking", "other")] == pids
        assert node.shim_pid(after) == shim
        echoed = node.run("exec", "-i", "old", "-c", "ticking", "--", "cat", stdin="through the older shim")
        assert echoed.stdout == "through the older shim"
        seen = len(node.log_lines(after, "ticking"))
        wait.wait_until(lambda: len(node.log_lines(after, "ticking")) > seen, "the log to go on")

        instance.kill(pids[1])
        node.wait_for("old", lambda p: pods.restarts(p, "other") == 1 and pods.is_ready(p), "to be whole again")
        assert not [event for event in node.events("old") if event.startswith("Failed")]
        node.submit(manifests.pod("new"))
        node.wait_for("new", pods.is_ready, "to be ready beside it")
        node.run("delete", "pod", "old", "new")
