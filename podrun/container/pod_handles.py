"""What a shim keeps of its sandbox, so that containers can join it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from podrun.linux import mount
from podrun.linux.mount import Attribute


@dataclass(slots=True)
class PodHandles:
    pause: int = -1  # pidfd of the pause process
    shm: str = ""  # the directory given to `mount_pod_shm`; empty for none
    machine: int = -1  # the machine's mount namespace, /proc/<pid>/ns/mnt, for the sources of bind mounts; -1: our own


def mount_pod_shm(directory: str, size: int) -> None:
    """Mount the pod's /dev/shm, `size` bytes, at `directory` (made when absent) in the caller's own mount namespace.

    The caller's namespace is a slave of the machine's, where nothing appears. Raises OSError.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    options = {"source": "shm", "mode": "1777", "size": str(size)}
    tmpfs = mount.new_mount("tmpfs", options, Attribute.NOSUID | Attribute.NODEV | Attribute.NOEXEC)
    target = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount.move_mount(tmpfs, target)
    finally:
        os.close(target)
        os.close(tmpfs)
