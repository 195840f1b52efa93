"""Containers in a user namespace of their pod: who they are outside, whose files they see, what root may not do."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_stage import Failed, Stage, scratch_pod

from podrun.container import defaults
from podrun.container.plan import Bind, Identity, NamespaceMode
from podrun.kubelet import security

FIRST = 3 * 65536  # ids that nobody on the machine has


@pytest.fixture(scope="module")
def pod() -> Iterator[Stage]:
    """Containers see all processes of the pod, pause too."""
    with scratch_pod() as stage:
        stage.make_sandbox(first_id=FIRST, pid=NamespaceMode.POD, sysctls={"kernel.shm_rmid_forced": "1"})
        os.chown(stage.image / "etc" / "group", 1234, 2345)
        yield stage


def test_its_root_is_somebody_else_outside_and_pause_too(pod: Stage) -> None:
    name = pod.start(pod.plan("write", "/made", "x", "then", "hang", first_id=FIRST, pid=NamespaceMode.POD))
    child = pod.last["pid"]
    assert pod.line(name) == "written\n"
    status = Path(f"/proc/{child}/status").read_text().splitlines()
    assert {"Uid:\t" + "\t".join([str(FIRST)] * 4), "Gid:\t" + "\t".join([str(FIRST)] * 4)} <= set(status)
    assert Path(f"/proc/{child}/uid_map").read_text().split() == ["0", str(FIRST), "65536"]
    (upper,) = (each.parent for each in pod.directory.glob("attempt*/upper/made"))
    assert (upper / "made").stat().st_uid == FIRST
    seen = pod.exec(name, "ids", "then", "cat", "/proc/self/uid_map", "then", "stat", "/etc/group", first_id=FIRST)
    assert seen.output.startswith("uid=0 euid=0 gid=0"), seen
    assert " 1234:2345 " in seen.lines[-1], seen
    web = Identity(user="web", capabilities=defaults.DEFAULT_CAPABILITIES)
    assert pod.exec(name, "ids", first_id=FIRST, identity=web).output.startswith("uid=1234 euid=1234 gid=2345")
    pod.ask("signal", name=name, number=signal.SIGKILL)
    pod.wait(name)


def test_all_capabilities_inside_are_none_outside(pod: Stage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    everything = Identity(capabilities=security.ALL_CAPABILITIES)
    mounts = (Bind(str(tmp_path), "/foreign"), Bind(str(tmp_path), "/frozen", readonly=True))
    name = pod.start(pod.plan("hang", first_id=FIRST, pid=NamespaceMode.POD, identity=everything, mounts=mounts))

    def said(*words: str) -> str:
        return pod.exec(name, *words, first_id=FIRST, identity=everything).output.strip()

    assert said("mount", "tmpfs", "/tmp").startswith("mounted")
    said("kill", "1", "9")
    assert said("cat", "/proc/1/comm") == "pause"
    refused = [os.strerror(number) for number in (errno.EPERM, errno.EACCES, errno.EROFS)]
    for words in (
        ("open", "/proc/sys/kernel/core_pattern", "w"),
        ("open", "/proc/1/mem", "r"),
        ("open", "/proc/1/ns/net", "r"),
        ("open", "/foreign/secret", "w"),
        ("mknod-block", "/tmp/disk", "254", "0"),
    ):
        answer = said(*words)
        assert any(reason in answer for reason in refused), (words, answer)
    for controller in pod.group.hierarchies.v1_controllers:
        ended = said("mount-cgroup", controller, "/tmp", "then", "open", "/tmp/cgroup.procs", "w")
        assert any(reason in ended for reason in refused), ended
    # All walls are locked: umount2(2) of a mount that a more privileged namespace made is EINVAL.
    for wall in ("/proc/bus", "/proc/sys", "/frozen"):
        assert os.strerror(errno.EINVAL) in said("umount", wall)
    pod.ask("signal", name=name, number=signal.SIGKILL)
    pod.wait(name)
    assert (tmp_path / "secret").read_text() == "x"


def test_a_mapped_volume_has_the_owners_that_it_has_outside(pod: Stage, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("x")
    os.chown(tmp_path / "theirs", 1234, 2345)
    mounts = (Bind(str(tmp_path), "/volume", idmapped=True),)
    words = ("stat", "/volume/theirs", "then", "write", "/volume/own", "x")
    ended = pod.run(*words, first_id=FIRST, pid=NamespaceMode.POD, mounts=mounts)
    assert " 1234:2345 " in ended.lines[0], ended
    assert (tmp_path / "own").stat().st_uid == 0


def test_what_cannot_be_mapped_is_said(pod: Stage) -> None:
    mounts = (Bind("/sys/kernel", "/volume", idmapped=True),)
    with pytest.raises(Failed, match="/sys/kernel has no idmapped mounts, which a pod with hostUsers: false needs"):
        pod.run("exit", "0", first_id=FIRST, pid=NamespaceMode.POD, mounts=mounts)
    with pytest.raises(Failed, match="user and group numbers go up to 65535, not 65536"):
        pod.run("exit", "0", first_id=FIRST, pid=NamespaceMode.POD, identity=Identity(user="65536"))
