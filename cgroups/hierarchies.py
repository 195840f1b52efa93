"""Where this machine keeps its cgroup controllers: all on v2, or some still on v1 hierarchies (hybrid).

Groups are not touched here. A host with v1 hierarchies only is hybrid as soon as cgroup2 is mounted somewhere.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cgroups import files
from cgroups.errors import CgroupError

NEEDED = ("cpu", "memory", "pids")
ON_DEMAND = ("cpuset", "hugetlb")
"""Those that cost every group something and few want: enabled, or made on v1, at the first use."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted hierarchy: its mount point, and which of its groups is the top there ("/" unless bind-mounted)."""

    point: str
    root: str


@dataclass(frozen=True, slots=True)
class Mounts:
    """What mountinfo says: v2, for each v1 controller its hierarchy, and the v1 hierarchies without any of ours."""

    v2: Mount | None
    v1: Mapping[str, Mount]
    bystanders: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """The arrangement that groups are made on. Paths of groups are relative to the mount points."""

    unified: Mount
    v2_controllers: tuple[str, ...]
    """Those of cpu, memory, pids, cpuset and hugetlb that live on v2."""
    v1_controllers: Mapping[str, str]
    """The others of them, each with its mount point. Co-mounted controllers share one."""
    v1_bystanders: tuple[str, ...] = ()
    """Mount points of v1 hierarchies that nothing is limited in: freezer, blkio, name=systemd and the like."""

    @property
    def mode(self) -> Literal["v2", "hybrid"]:
        return "hybrid" if any(c in self.v1_controllers for c in NEEDED) else "v2"

    @property
    def v1_points(self) -> tuple[str, ...]:
        """The v1 mount points in which every limited group needs a directory: each once, those on demand left out."""
        return tuple(dict.fromkeys(self.v1_controllers[c] for c in NEEDED if c in self.v1_controllers))

    def has(self, controller: str) -> bool:
        return controller in self.v2_controllers or controller in self.v1_controllers


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def parse_mountinfo(text: str) -> Mounts:
    """The cgroup mounts in /proc/<pid>/mountinfo (proc_pid_mountinfo(5)). Of several mounts, one that shows the whole
    hierarchy wins."""
    v2: Mount | None = None
    v1: dict[str, Mount] = {}
    bystanders: dict[str, Mount] = {}
    for line in text.splitlines():
        place, separator, filesystem = line.partition(" - ")
        if not separator or not filesystem.startswith("cgroup"):
            continue
        fields, (fstype, _, options) = place.split(), filesystem.split(maxsplit=2)
        mount = Mount(point=_unescape(fields[4]), root=_unescape(fields[3]))
        if fstype == "cgroup2":
            if v2 is None or (v2.root != "/" and mount.root == "/"):
                v2 = mount
            continue
        ours = set(options.split(",")).intersection(NEEDED + ON_DEMAND)
        if not ours and (fields[2] not in bystanders or mount.root == "/"):
            bystanders[fields[2]] = mount
        for controller in ours:
            known = v1.get(controller)
            if known is None or (known.root != "/" and mount.root == "/"):
                v1[controller] = mount
    return Mounts(v2, v1, tuple(bystanders.values()))


def arrange(mounts: Mounts, v2_controllers: frozenset[str]) -> Hierarchies:
    """Each controller on the hierarchy that has it. CgroupError names what is nowhere."""
    if mounts.v2 is None:
        raise CgroupError(
            "cannot use cgroups: no cgroup2 file system is mounted",
            hint="beside cgroup v1: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
        )
    on_v2 = tuple(c for c in NEEDED + ON_DEMAND if c in v2_controllers)
    on_v1 = {c: mounts.v1[c].point for c in NEEDED + ON_DEMAND if c in mounts.v1 and c not in v2_controllers}
    missing = [c for c in NEEDED if c not in on_v2 and c not in on_v1]
    if missing:
        names = " and no ".join(missing)
        raise CgroupError(
            f"cannot use cgroups: no {names} controller, neither on cgroup v2 ({mounts.v2.point}) nor on v1",
            hint="/proc/cgroups shows whether the kernel has it; cgroup_disable= on its command line turns it off",
        )
    return Hierarchies(mounts.v2, on_v2, on_v1, tuple(mount.point for mount in mounts.bystanders))


def detect() -> Hierarchies:
    """The arrangement of the caller's mount namespace, read anew."""
    mounts = parse_mountinfo(files.read("/proc/self/mountinfo"))
    offered = files.read(f"{mounts.v2.point}/cgroup.controllers").split() if mounts.v2 else []
    return arrange(mounts, frozenset(offered))


@functools.cache
def current() -> Hierarchies:
    """`detect` once per process: controllers do not move between hierarchies while anything uses them."""
    return detect()


def parse_membership(text: str, mount: Mount) -> str:
    """The v2 group in a /proc/<pid>/cgroup (cgroups(7)), relative to the mount point; "/" where it lies outside of
    the mount."""
    path = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
    if mount.root == "/":
        return "/" if path.startswith("/..") else path
    inside = os.path.commonpath((mount.root, path)) == mount.root
    return path[len(mount.root) :] or "/" if inside else "/"


def own_group(hierarchies: Hierarchies) -> str:
    """The v2 group of the calling process, relative to the v2 mount point."""
    return parse_membership(files.read("/proc/self/cgroup"), hierarchies.unified)
