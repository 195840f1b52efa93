"""podrun as a systemd service: started at boot, its pods where they outlive its restarts.

These tests use the machine's one default instance, so they run only in the VM that is booted with systemd.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import names, wait
from tests.pod import manifests

pytestmark = pytest.mark.systemd

PODRUN = Path(sys.executable).with_name("podrun")
PROJECT = Path(__file__).parents[2]


def run(*words: str | Path, stdin: str | None = None) -> str:
    result = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=wait.patient(15))
    assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}{unit_log()}"
    return result.stdout


def unit_log() -> str:
    return subprocess.run(["journalctl", "-b", "-u", "podrun", "-n", "40"], capture_output=True, text=True).stdout


def main_pid() -> int:
    return int(run("systemctl", "show", "-p", "MainPID", "--value", "podrun"))


def can_exec(pod: str) -> bool:
    """A kubelet that has just started answers before it has adopted every pod."""
    command = [PODRUN, "exec", pod, "--", "echo", "here"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=wait.patient(15))
    return result.stdout == "here\n"


@pytest.fixture(scope="module")
def image(roots: Path) -> Iterator[None]:
    run(PODRUN, "image", "import", roots / "busybox", manifests.BUSYBOX, "--cmd", "sh")
    yield
    run(PODRUN, "system", "reset", "--force")


@pytest.fixture
def pod(image: None) -> Iterator[str]:
    """The name of a pod that runs."""
    name = names.unique("service-")
    run(PODRUN, "apply", "--wait", "-f", "-", stdin=json.dumps(manifests.pod(name)))
    yield name
    run(PODRUN, "delete", "pod", name, "--now")


def container_pid(pod: str) -> int:
    """Of the pod's one container, as the machine counts."""
    (uid,) = run(PODRUN, "get", "pod", pod, "-o", "json").partition('"uid": "')[2].split('"')[:1]

    def found() -> int:  # again where a group of others, or a process, ends while it is looked at
        return next(
            int(pid)
            for group in Path("/sys/fs/cgroup").rglob(f"*{uid}*/*/cgroup.procs")
            for pid in group.read_text().split()
            if "sleep" in Path(f"/proc/{pid}/cmdline").read_text() and "sh" in Path(f"/proc/{pid}/comm").read_text()
        )

    return wait.wait_until(found, f"the main program of {pod}")


def test_an_enabled_service_runs_after_boot() -> None:
    assert run("systemctl", "is-active", "podrun").strip() == "active"
    assert "Ready" in run(PODRUN, "get", "nodes")


def test_pods_live_in_the_units_group_where_systemd_starts_the_service_in_a_subgroup_else_at_the_top(pod: str) -> None:
    """Before 254 a unit with living groups below its own cannot be started again."""
    knows_subgroups = "DelegateSubgroup=kubelet" in run("systemctl", "show", "podrun")
    group = "/system.slice/podrun.service/podrun" if knows_subgroups else "/podrun"
    assert Path(f"/proc/{container_pid(pod)}/cgroup").read_text().startswith(f"0::{group}/")


def test_pods_outlive_a_restart_of_the_service(pod: str) -> None:
    kubelet, container = main_pid(), container_pid(pod)
    run("systemctl", "restart", "podrun")
    wait.wait_until(lambda: main_pid() not in (0, kubelet), "another kubelet")
    wait.wait_until(lambda: can_exec(pod), "exec into the adopted container")
    assert container_pid(pod) == container


def test_the_service_comes_back_by_itself_and_adopts(pod: str) -> None:
    kubelet, container = main_pid(), container_pid(pod)
    run("systemctl", "kill", "--kill-who=main", "-s", "KILL", "podrun")
    wait.wait_until(lambda: main_pid() not in (0, kubelet), "another kubelet")
    wait.wait_until(lambda: can_exec(pod), "exec into the adopted container")
    assert container_pid(pod) == container


def test_a_stopped_service_leaves_its_pods_running_and_can_start_again(pod: str) -> None:
    container = container_pid(pod)
    run("systemctl", "stop", "podrun")
    assert Path(f"/proc/{container}").exists()
    run("systemctl", "start", "podrun")
    wait.wait_until(lambda: can_exec(pod), "exec into the adopted container")
    assert container_pid(pod) == container


def test_a_command_starts_the_stopped_service_and_its_log_is_the_journal(pod: str) -> None:
    container = container_pid(pod)
    run("systemctl", "stop", "podrun")
    assert pod in run(PODRUN, "get", "pods")
    assert run("systemctl", "is-active", "podrun").strip() == "active"
    assert container_pid(pod) == container
    assert "serving /run/podrun/podrun.sock" in run(PODRUN, "system", "logs")


def test_uninstalling_and_resetting_leave_nothing(image: None) -> None:
    run(PODRUN, "apply", "--wait", "-f", "-", stdin=json.dumps(manifests.pod(names.unique("last-"))))
    said = run(PROJECT / "setup" / "install", "--undo")
    try:
        assert "pods, images and objects are still there" in said
        assert not Path("/etc/systemd/system/podrun.service").is_symlink()
        assert not Path("/usr/local/bin/podrun").is_symlink()
        run(PODRUN, "system", "reset", "--force")
        assert [place for place in ("/run/podrun", "/sys/fs/cgroup/podrun") if Path(place).exists()] == []
        assert list(Path("/var/lib/podrun").glob("*")) == []  # itself a mount point in this VM
        assert "podrun0" not in run("ip", "-br", "link")
        assert "podrun" not in run("nft", "list", "ruleset")
    finally:
        run(PROJECT / "setup" / "install")
        run("systemctl", "enable", "--now", "podrun")
