"""What a hostile image or program tries against the machine. Each attack has a control: the container did run."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_stage import GROUP, PASSWD, Failed, Stage, scratch_pod

from cgroups import devices
from podrun.container import defaults
from podrun.container.plan import Identity
from tests.wait import wait_until

BLOCK_DEVICES = Path("/sys/dev/block")
REFUSED = "Operation not permitted"


@pytest.fixture
def pod() -> Iterator[Stage]:
    with scratch_pod() as stage:
        stage.make_sandbox()
        yield stage


def test_the_machines_disk_cannot_be_opened_by_a_node_made_inside(pod: Stage) -> None:
    major, minor = min(entry.name for entry in BLOCK_DEVICES.iterdir()).split(":")
    attack = ("mknod-block", "/disk", major, minor, "then", "open", "/disk", "r", "then", "open", "/dev/null", "rw")
    assert pod.run(*attack).lines == ["made", f"open: {REFUSED}", "opened"]
    name = pod.start(pod.plan("hang"))
    assert pod.exec(name, *attack).lines == ["made", f"open: {REFUSED}", "opened"]
    assert REFUSED not in pod.run(*attack, devices=devices.EVERYTHING).lines[1]


def test_devices_in_the_image_are_refused_too(pod: Stage) -> None:
    os.mknod(pod.image / "kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
    assert pod.run("open", "/kmsg", "w", "then", "open", "/dev/ptmx", "rw").lines == [f"open: {REFUSED}", "opened"]
    assert pod.run("open", "/kmsg", "w", devices=devices.EVERYTHING).lines == ["opened"]


@pytest.mark.parametrize("user", ["4294967295", "ghost", "4294967296", "99999999999999999999"])
def test_a_user_number_that_means_no_change_does_not_stay_root(pod: Stage, user: str) -> None:
    (pod.image / "etc" / "passwd").write_text(f"{PASSWD}ghost:x:4294967295:0::/:/bin/sh\n")
    with pytest.raises(Failed) as failure:
        pod.run("ids", identity=Identity(user=user, capabilities=defaults.DEFAULT_CAPABILITIES))
    assert (failure.value.step, failure.value.errno) == ("find user", errno.EINVAL)
    assert pod.run("ids", identity=Identity(user="2147483647")).output.startswith("uid=2147483647 euid=2147483647 ")


def test_a_group_number_that_means_no_change_does_not_stay_root(pod: Stage) -> None:
    (pod.image / "etc" / "group").write_text(f"{GROUP}ghosts:x:4294967295:web\n")
    for identity in (Identity(group="ghosts"), Identity(group="4294967295"), Identity(user="web")):
        with pytest.raises(Failed) as failure:
            pod.run("ids", identity=identity)
        assert failure.value.errno == errno.EINVAL
    assert pod.run("ids", identity=Identity(group="www")).output.startswith("uid=0 euid=0 gid=2345 ")


def v1_hierarchies(pod: Stage) -> dict[str, str]:
    """Mount options by mount point; none on a machine with cgroup v2 alone."""
    points = {*pod.group.hierarchies.v1_controllers.values(), *pod.group.hierarchies.v1_bystanders}
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    kept = ("rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec")
    return {
        point: ",".join({"name=systemd": "none,name=systemd"}.get(o, o) for o in options.split(",") if o not in kept)
        for _, point, fstype, options, *_ in lines
        if fstype == "cgroup" and point in points
    }


def test_a_user_namespace_leads_to_no_cgroup_but_the_containers_own(pod: Stage) -> None:
    for point, options in v1_hierarchies(pod).items():
        said = pod.run("mount-cgroup", options, "/tmp", "then", "mkdir", "/tmp/attacked", "then", "echo", "end").lines
        try:
            Path(point, "attacked").rmdir()
        except FileNotFoundError:
            pass
        else:
            pytest.fail(f"the container made a group at the top of {point}")
        assert said[0].startswith(("mounted", "mount: ", "user namespace: ", "unshare: "))
        assert said[-1] == "end"
    name = pod.start(pod.plan("cat", "/proc/self/cgroup", "then", "hang"))
    groups = Path(f"/proc/{pod.last['pid']}/cgroup").read_text().splitlines()
    assert {line.split(":", 2)[2] for line in groups} == {pod.group.child(name).path}


def test_a_container_that_freezes_itself_can_be_killed(pod: Stage) -> None:
    freezers = [o for o in v1_hierarchies(pod).values() if "freezer" in o.split(",")]
    if freezers:
        freeze = ("mount-cgroup", freezers[0], "/tmp", "then", "echo", "frozen", "then")
        name = pod.start(pod.plan(*freeze, "overwrite", "/tmp/freezer.state", "FROZEN", "then", "hang"))
        assert [pod.line(name) for _ in range(2)] == ["mounted\n", "frozen\n"]
    else:
        name = pod.start(pod.plan("echo", "nothing freezes on v2", "then", "hang"))
    own = pod.group.child(name)
    # One that freezes itself in the very moment of a kill dies of the next one, which the shim sends as well.
    wait_until(lambda: own.kill() is None and own.wait_empty(1), "the frozen container to die")
    assert pod.wait(name).signal == signal.SIGKILL
