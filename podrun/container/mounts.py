"""Carrying out a mount plan inside a root that a hostile image has made: every target by descriptor, never by path.

The plan's order is kept. Nothing here decides what is mounted.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cgroups.group import Group
from podrun.container import devices, image_tree, plan, root
from podrun.container.newborn import StepError, describe
from podrun.container.plan import Propagation
from podrun.linux import beneath, mount, namespaces, statfs
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import Attribute, MountFlag
from podrun.linux.openat2 import Resolve, make_directories, openat2
from podrun.linux.syscall import SyscallError

# Plain numbers once: joining flags again for each mount would cost more than the mount.
_SAFE = Attribute.NOSUID | Attribute.NODEV | Attribute.NOEXEC
_SAFE_READ_ONLY = _SAFE | Attribute.RDONLY
_MASKED = Attribute.RDONLY | Attribute.NOSUID | Attribute.NOEXEC
_PLACE = os.O_PATH | os.O_CLOEXEC
_FIXED = Resolve.IN_ROOT | Resolve.NO_SYMLINKS
_PROPAGATION = {
    Propagation.PRIVATE: MountFlag.PRIVATE,
    Propagation.SLAVE: MountFlag.SLAVE,
    Propagation.SHARED: MountFlag.SHARED,
}
# What lxcfs and the like offer a better answer for; anything else on procfs would lift a wall (CVE-2019-16884).
_PROC_FILES = frozenset(
    f"/proc/{name}" for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime")
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where mounts go, and what they are made from."""

    root: int  # O_PATH descriptor of the container's root
    null: int  # of the machine's /dev/null
    shm: str  # where the pod's /dev/shm is mounted; empty for none
    group: Group  # joined already
    first_id: int = 0  # of the pod's user namespace; 0 for none
    covers: dict[bool, int] = field(default_factory=dict)  # the first mask of directories and of files, to copy

    def close(self) -> None:
        for descriptor in (self.null, *self.covers.values()):
            os.close(descriptor)


def open_sources(items: Sequence[plan.Mount], machine: int, user_namespace: int = -1) -> list[int]:
    """For each item a detached copy of what it binds, or -1, taken in the mount namespace `machine` (-1: where we are).

    There, the copies see what the machine has mounted since, and can share what is mounted below them with it. What
    the shim holds is in its own namespace, of which the caller has a copy.
    """
    trees = [_source(item, user_namespace) if isinstance(item, plan.Bind) and item.held else -1 for item in items]
    others = [(number, item) for number, item in enumerate(items) if isinstance(item, plan.Bind) and not item.held]
    own = -1
    if others and machine >= 0:
        own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        namespaces.setns(machine, CloneFlag.NEWNS)
    for number, item in others:
        trees[number] = _source(item, user_namespace)
    if own >= 0:
        namespaces.setns(own, CloneFlag.NEWNS)
        os.close(own)
    return trees


def _source(item: plan.Bind, user_namespace: int) -> int:
    try:
        source = os.open(item.source, _PLACE)
        if item.subpath:
            outer, source = source, _beneath(source, item.subpath)
            os.close(outer)
        tree = mount.open_tree(source, "", recursive=item.recursive)
        if item.idmapped:
            root.map_ids(tree, user_namespace, item.source, recursive=item.recursive)
    except StepError:
        raise
    except OSError as error:
        raise StepError(error.errno or 0, f"cannot mount on {item.target}: {describe('', error).message}") from error
    os.close(source)
    return tree


def attach(site: Site, item: plan.Mount, tree: int) -> None:
    """Carry out one item of a mount plan; `tree` is what `open_sources` gave for it. Raises OSError."""
    match item:
        case plan.Bind():
            _bind(site, item, tree)
        case plan.ImageTree():
            image = image_tree.open_tree(item)
            _attach(image, _place_for(site, item.target, image))
        case plan.PodShm(target):
            if not site.shm:
                raise StepError(0, f"cannot mount {target}: the pod has no shared memory")
            _attach_copy(os.open(site.shm, _PLACE | os.O_DIRECTORY), _fixed_directory(site, target))
        case plan.Tmpfs(target, options, readonly):
            parsed = dict(_option(o) for o in options.split(",") if o)
            tmpfs = mount.new_mount("tmpfs", {"source": "tmpfs", **parsed}, Attribute.NOSUID | Attribute.NODEV)
            if readonly:
                mount.mount_setattr(tmpfs, Attribute.RDONLY)
            _attach(tmpfs, _directory(site, target))
        case plan.Proc(target):
            _attach(mount.new_mount("proc", {"source": "proc"}, _SAFE), _fixed_directory(site, target))
        case plan.Sysfs(target, readonly):
            sysfs = mount.new_mount("sysfs", {"source": "sysfs"}, _SAFE_READ_ONLY if readonly else _SAFE)
            _attach(sysfs, _fixed_directory(site, target))
        case plan.Cgroupfs(target, readonly):
            _cgroupfs(site, target, _SAFE_READ_ONLY if readonly else _SAFE)
        case plan.Dev(target, machine):
            place = _fixed_directory(site, target)
            devices.mount_dev(place, machine=machine, first_id=site.first_id)
            os.close(place)
        case plan.Mqueue(target):
            _attach(mount.new_mount("mqueue", {"source": "mqueue"}, _SAFE), _fixed_directory(site, target))
        case plan.Mask(target):
            _mask(site, target)
        case plan.ReadOnly(target):
            _read_only(site, target)


def _option(text: str) -> tuple[str, str | None]:
    key, separator, value = text.partition("=")
    return key, value if separator else None


def _attach(tree: int, target: int) -> None:
    mount.move_mount(tree, target)
    os.close(tree)
    os.close(target)


def _attach_copy(source: int, target: int, attributes: Attribute = mount.NOTHING) -> None:
    tree = mount.open_tree(source, "")
    os.close(source)
    mount.mount_setattr(tree, attributes, propagation=MountFlag.PRIVATE)
    _attach(tree, target)


# Targets


def _fixed_directory(site: Site, target: str) -> int:
    """A directory of the system: on its way nothing may be a link, as the image could have made it (CVE-2019-19921)."""
    try:
        return openat2(site.root, target, _PLACE | os.O_DIRECTORY, resolve=_FIXED)
    except SyscallError as error:
        if error.errno == errno.ENOENT:
            os.close(make_directories(site.root, target))
            return openat2(site.root, target, _PLACE | os.O_DIRECTORY, resolve=_FIXED)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise StepError(error.errno, f"cannot mount on {target}: in this image it is no plain directory") from error
        raise


def _directory(site: Site, target: str) -> int:
    return _allowed(site, target, make_directories(site.root, target))


def _place_for(site: Site, target: str, like: int) -> int:
    """The target of a bind mount, made when absent: a directory, or an empty file where `like` is none."""
    if stat.S_ISDIR(os.fstat(like).st_mode):
        try:
            return _directory(site, target)
        except SyscallError as error:
            if error.errno == errno.ENOTDIR:
                raise StepError(errno.ENOTDIR, f"cannot mount a directory on {target}: a file is in the way") from error
            raise
    try:
        place = openat2(site.root, target, _PLACE)
    except SyscallError as error:
        if error.errno != errno.ENOENT:
            raise
        _make_file(site.root, target)
        place = openat2(site.root, target, _PLACE)
    if stat.S_ISDIR(os.fstat(place).st_mode):
        os.close(place)
        raise StepError(errno.EISDIR, f"cannot mount a file on {target}: a directory is there")
    return _allowed(site, target, place)


def _make_file(root: int, target: str, links: int = 40) -> None:
    """An empty file, or one where a link at `target` leads (/etc/resolv.conf often points below an absent /run)."""
    directory = make_directories(root, os.path.dirname(target))
    try:
        os.close(openat2(root, target, os.O_CREAT | os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, 0o644))
    except SyscallError as error:
        if error.errno != errno.ENOENT or links == 0:
            raise
        leads_to = os.readlink(os.path.basename(target), dir_fd=directory)
        _make_file(root, os.path.join(os.path.dirname(target), leads_to), links - 1)
    finally:
        os.close(directory)


def _allowed(site: Site, target: str, place: int) -> int:
    """`place`, closed if it is none. What covered the root would be seen by who joins, and not by who is there."""
    if os.path.samestat(os.fstat(place), os.fstat(site.root)):
        os.close(place)
        raise StepError(errno.EBUSY, f"cannot mount on {target}: it is the root of the container")
    if target not in _PROC_FILES and statfs.file_system_type(place) == statfs.PROC_SUPER_MAGIC:
        os.close(place)
        raise StepError(errno.EPERM, f"cannot mount on {target}: it lies inside of /proc")
    return place


# Kinds of mounts


def _bind(site: Site, item: plan.Bind, tree: int) -> None:
    target = _place_for(site, item.target, tree)
    mount.mount_setattr(tree, propagation=_PROPAGATION[item.propagation], recursive=item.recursive)
    if item.readonly:
        mount.mount_setattr(tree, Attribute.RDONLY, recursive=item.readonly_recursive)
    _attach(tree, target)


def _beneath(source: int, subpath: str) -> int:
    """The subpath of a volume, whose contents a container may be changing right now; made when absent, a directory."""
    try:
        return beneath.make_beneath(source, subpath)
    except SyscallError as error:
        if error.errno != errno.EXDEV:
            raise
        raise StepError(error.errno, f"cannot use the subpath {subpath}: it leads out of the volume") from error


def _cgroupfs(site: Site, target: str, attributes: Attribute) -> None:
    """On v2 the container's own group; beside v1 a tmpfs with one directory for each hierarchy, v2 as `unified`."""
    place = _fixed_directory(site, target)
    if site.group.hierarchies.mode == "v2":
        _attach_copy(site.group.open_for_clone(), place, attributes)
        return
    points = dict.fromkeys(site.group.hierarchies.v1_controllers.values())
    directories = {os.path.basename(point): point + site.group.path for point in points}
    directories["unified"] = site.group.directory
    tmpfs = mount.new_mount("tmpfs", {"source": "cgroup", "mode": "755", "size": "1m"}, _SAFE)
    mount.move_mount(tmpfs, place)
    for name, path in directories.items():
        try:
            source = os.open(path, _PLACE | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        os.mkdir(name, 0o755, dir_fd=tmpfs)
        inner = os.open(name, _PLACE | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=tmpfs)
        _attach(mount.open_tree(source, ""), inner)
        os.close(source)
    mount.mount_setattr(tmpfs, attributes, propagation=MountFlag.PRIVATE, recursive=True)
    mount.mount_setattr(tmpfs, Attribute.RDONLY)
    os.close(tmpfs)
    os.close(place)


def _existing(then: Callable[[int], None], site: Site, target: str) -> None:
    try:
        place = openat2(site.root, target, _PLACE, resolve=_FIXED)
    except SyscallError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        raise
    then(place)


def _mask(site: Site, target: str) -> None:
    def cover(place: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(place).st_mode)
        if is_directory in site.covers:
            _attach(mount.open_tree(site.covers[is_directory], ""), place)
            return
        if is_directory:
            empty = {"source": "tmpfs", "mode": "555", "size": "4096"}
            tree = mount.new_mount("tmpfs", empty, _SAFE_READ_ONLY)
        else:
            tree = mount.open_tree(site.null, "")
            # Read-only, or the container's root could change the mode of the machine's own device through it.
            mount.mount_setattr(tree, _MASKED, propagation=MountFlag.PRIVATE)
        mount.move_mount(tree, place)
        os.close(place)
        site.covers[is_directory] = tree

    _existing(cover, site, target)


def _read_only(site: Site, target: str) -> None:
    def freeze(place: int) -> None:
        tree = mount.open_tree(place, "")
        mount.mount_setattr(tree, Attribute.RDONLY, propagation=MountFlag.PRIVATE)
        _attach(tree, place)

    _existing(freeze, site, target)
