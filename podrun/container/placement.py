"""Putting a process into its cgroup: the group made and limited by the parent, the v1 part joined by the child."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import replace

from cgroups import devices, hierarchies
from cgroups.devices import DeviceRule
from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits
from podrun.container.newborn import Birth, SpawnError, describe
from podrun.linux import namespaces
from podrun.linux.clone3 import CloneFlag


@contextlib.contextmanager
def new_group(
    path: str, limits: Limits, allowed: tuple[DeviceRule, ...] = devices.EVERYTHING
) -> Iterator[tuple[Group, int]]:
    """The group made, limited and open for clone3; taken away again if the block raises. Raises SpawnError."""
    group, existed = None, False
    try:
        group = Group(path, hierarchies.current())
        existed = group.exists()
        group.create()
        group.apply(limits)
        group.allow_devices(allowed)
        descriptor = group.open_for_clone()
        try:
            yield group, descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        if group is not None and not existed:
            with contextlib.suppress(CgroupError):
                group.remove()
        step = "create cgroup" if isinstance(error, CgroupError) else "clone"
        reason = describe(step, error)
        if error.errno == errno.ENOMEM:  # groups are charged to those above them
            reason = replace(reason, message=f"{reason.message} (memory limit too low?)")
        raise SpawnError(reason) from error


def join_v1_groups(files: tuple[str, ...]) -> None:
    """In the child, whose only thread this is: `files` are `Group.v1_task_files`. Empty on pure v2."""
    for file in files:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, b"0")
        os.close(descriptor)


def hide_other_groups() -> None:
    """A cgroup namespace of its own, rooted at the groups just joined."""
    namespaces.unshare(CloneFlag.NEWCGROUP)


def set_oom_score(birth: Birth, score: int) -> None:
    """oom_score_adj, proc(5). Lowering it takes CAP_SYS_RESOURCE, which some machines lack: noted, and gone on."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    try:
        current = int(os.read(descriptor, 32))
        if current != score:
            os.pwrite(descriptor, str(score).encode(), 0)
    except PermissionError:
        birth.notes.append(f"oom_score_adj stays at {current}: lowering it to {score} needs CAP_SYS_RESOURCE")
    finally:
        os.close(descriptor)
