"""What pods take now: processor and memory by their groups, disk by their files. Measures only; blocks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.hierarchies import Hierarchies
from podrun.api import objects
from podrun.kubelet import volume_places
from podrun.kubelet.lives import PodLife
from podrun.kubelet.places import PodPlace
from podrun.volume import usage
from podrun.volume.usage import Usage


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """One running container: processor time since it began, and memory without file pages that are first to go."""

    cpu_usage_us: int
    working_set: int  # bytes


@dataclass(frozen=True, slots=True)
class DiskFigures:
    """Bytes by container (what it wrote, last words and logs included) and by emptyDir; inodes of all of it."""

    containers: dict[str, int]
    volumes: dict[str, int]
    inodes: int


def containers(life: PodLife, place: PodPlace, hierarchies: Hierarchies) -> dict[str, ContainerFigures]:
    """Of the running ones; one that ends meanwhile is left out."""
    found = {}
    for name, container in life.containers.items():
        if container.state != "running":
            continue
        with contextlib.suppress(CgroupError, KeyError):
            stats = Group(place.container_cgroup(container.id), hierarchies).stats()
            found[name] = ContainerFigures(stats.cpu_usage_us, stats.memory_working_set)
    return found


def whole(place: PodPlace, hierarchies: Hierarchies) -> ContainerFigures | None:
    """The pod with all in it; None: it is not there."""
    try:
        stats = Group(place.cgroup, hierarchies).stats()
    except (CgroupError, KeyError):
        return None
    return ContainerFigures(stats.cpu_usage_us, stats.memory_working_set)


def disk(pod: objects.Pod, life: PodLife, place: PodPlace) -> DiskFigures:
    used: dict[str, int] = {}
    etc = _measured(place.etc)  # containers write to these files, too
    volumes = {"/etc": etc.bytes}  # no volume has such a name
    inodes = etc.inodes
    for name in life.containers:
        written, logs = _measured(place.container(name)), _measured(place.log_dir / name)
        used[name] = written.bytes + logs.bytes
        inodes += written.inodes
    for volume in pod.spec.volumes:
        if volume.empty_dir is not None and not volume_places.is_in_memory(volume):
            measured = _measured(place.volume("empty-dir", volume.name))
            volumes[volume.name] = measured.bytes
            inodes += measured.inodes
    return DiskFigures(used, volumes, inodes)


def _measured(directory: Path) -> Usage:
    try:
        return usage.measure_path(str(directory))
    except OSError:
        return Usage()  # it was taken away
