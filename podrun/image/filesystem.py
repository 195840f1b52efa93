"""Whether a directory's filesystem can hold images and the upper directories of containers."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from podrun.errors import PodrunError
from podrun.linux.syscall import check, declare

OVERLAYFS_SUPER_MAGIC = 0x794C7630  # linux/magic.h
_REMOTE = {0x6969: "NFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB", 0x65735546: "FUSE", 0x01021997: "9p"}
_STATFS_SIZE = 256  # struct statfs has 120 bytes on 64-bit machines; f_type is its first member

_statfs = declare("statfs", ctypes.c_char_p, ctypes.c_char_p)


def check_root_filesystem(path: Path) -> None:
    """Raises PodrunError when containers could not be started from below `path`, which need not exist yet.

    Overlayfs takes no other overlay and no network filesystem as upper directory (kernel overlayfs.rst).
    """
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    magic = filesystem_magic(existing)
    kind = "overlayfs" if magic == OVERLAYFS_SUPER_MAGIC else _REMOTE.get(magic)
    if kind is not None:
        raise PodrunError(
            f"cannot keep containers in {path}: it is on {kind}, which can't be the upper directory of an overlay",
            hint="choose a directory on ext4, xfs, btrfs or tmpfs with PODRUN_ROOT",
        )


def filesystem_magic(path: Path) -> int:
    """f_type of statfs(2)."""
    buffer = ctypes.create_string_buffer(_STATFS_SIZE)
    check(_statfs(os.fsencode(path), buffer), "statfs", str(path))
    return ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF
