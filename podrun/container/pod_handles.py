"""What a shim keeps of its sandbox, so that containers can join it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from podrun.container.plan import Held
from podrun.linux import mount
from podrun.linux.mount import Attribute
from podrun.linux.syscall import SyscallError

_SHM = Attribute.NOSUID | Attribute.NODEV | Attribute.NOEXEC


@dataclass(slots=True)
class PodHandles:
    pause: int = -1  # pidfd of the pause process
    shm: str = ""  # the directory given to `mount_pod_shm`; empty for none
    user_namespace: int = -1  # the pod's own; -1: it has none
    machine: int = -1  # the machine's mount namespace, /proc/<pid>/ns/mnt, for the sources of bind mounts; -1: our own


def mount_pod_shm(directory: str, size: int, owner: int = 0) -> None:
    """Mount the pod's /dev/shm, `size` bytes, at `directory` (made when absent) in the caller's own mount namespace.

    The caller's namespace is a slave of the machine's, where nothing appears. Raises OSError.
    """
    options = {"source": "shm", "mode": "1777", "size": str(size)}
    if owner:
        options |= {"uid": str(owner), "gid": str(owner)}
    _attach(mount.new_mount("tmpfs", options, _SHM), directory)


def mount_held(held: Held) -> None:
    """Likewise for any file system that the pod's containers share. Raises OSError."""
    options = {"source": held.fstype, **{key: value or None for key, value in held.options.items()}}
    wishes = {key: value or None for key, value in held.wishes.items()}
    try:
        tree = mount.new_mount(held.fstype, options | wishes)
    except SyscallError as error:
        if not wishes or error.errno != errno.EINVAL:
            raise
        tree = mount.new_mount(held.fstype, options)
    _attach(tree, held.path)


def _attach(tree: int, directory: str) -> None:
    try:
        _make(directory)
        target = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount.move_mount(tree, target)
        finally:
            os.close(target)
    finally:
        os.close(tree)


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(directory, mode=0o700, exist_ok=True)
