"""/dev of a container: its own tmpfs with the few devices that every program expects."""

from __future__ import annotations

import os
import stat

from podrun.container.newborn import StepError
from podrun.linux import mount
from podrun.linux.mount import Attribute

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
)
_DIRECTORIES = ("pts", "shm", "mqueue")
_TTY_GROUP = 5
_OWN = frozenset(name for name, *_ in (*DEVICES, *LINKS)) | {"console"}
_NOT_COPIED = frozenset(("pts", "shm", "fd", "mqueue", "hugepages"))


def mount_dev(target: int, *, machine: bool = False, first_id: int = 0) -> None:
    """Mount it on what `target` refers to. Raises OSError. Expects umask 0, and where `machine`, its own /dev.

    `first_id` is that of the pod's user namespace.
    """
    dev = mount.new_mount("tmpfs", {"source": "tmpfs", "mode": "755", "size": "65536k"}, Attribute.NOSUID)
    for name, major, minor in DEVICES:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
    for name, destination in LINKS:
        os.symlink(destination, name, dir_fd=dev)
    for name in _DIRECTORIES:
        os.mkdir(name, 0o755, dir_fd=dev)
    if machine:
        own = os.open("/dev", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _copy_nodes(own, dev)
        os.close(own)
    mount.move_mount(dev, target)
    options = {"source": "devpts", "ptmxmode": "0666", "mode": "0620", "gid": str(first_id + _TTY_GROUP)}
    devpts = mount.new_mount("devpts", options, Attribute.NOSUID | Attribute.NOEXEC)
    pts = os.open("pts", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dev)
    mount.move_mount(devpts, pts)
    for descriptor in (dev, devpts, pts):
        os.close(descriptor)


def _copy_nodes(source: int, target: int) -> None:
    """Device nodes of a directory and those below, with owners and modes. Links and everything else stay behind."""
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and name not in _NOT_COPIED:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
            os.mkdir(name, 0o755, dir_fd=target)
            copy = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
            _copy_nodes(inner, copy)
            os.close(inner)
            os.close(copy)
        elif (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)) and name not in _OWN:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)


def open_null() -> int:
    """The machine's /dev/null, by a descriptor that can only be used as a place. StepError if it is something else."""
    descriptor = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not is_null(descriptor):
        raise StepError(0, "cannot mask paths: /dev/null of this machine is not the null device")
    return descriptor


def is_null(descriptor: int) -> bool:
    """Whether it is the device that it is called after, null(4): a file in its place would be shown or written."""
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)
