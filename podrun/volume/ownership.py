"""fsGroup: a volume that belongs to the pod's group, all that is in it included (pkg/volume/volume_linux.go).

Every change is made by a descriptor of the very thing that was looked at, so links lead nowhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from podrun.volume import walk

PATIENCE = 600.0  # seconds, in which some ten million files are given away
FILE_BITS, DIRECTORY_BITS = 0o660, 0o770 | stat.S_ISGID
_PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give_to_group(directory: int, gid: int, *, unless_root_fits: bool) -> bool:
    """Let the directory that a descriptor refers to, and all in it, be the group's; whether that was to be done.

    The directory itself comes last: where it fits already, an earlier time went through (OnRootMismatch). Blocks.
    What vanishes meanwhile is left out. Raises OSError, TakesTooLongError of walk.py included.
    """
    status = os.fstat(directory)
    if unless_root_fits and status.st_gid == gid and status.st_mode & DIRECTORY_BITS == DIRECTORY_BITS:
        return False
    walk.walk(directory, _Giver(gid, (status.st_dev, status.st_ino)), PATIENCE)
    _give(directory, status, gid)
    return True


@dataclass(frozen=True, slots=True)
class _Giver:
    gid: int
    top: tuple[int, int]

    def directory(self, descriptor: int, status: os.stat_result) -> None:
        if (status.st_dev, status.st_ino) != self.top:
            _give(descriptor, status, self.gid)

    def other(self, parent: int, name: str, status: os.stat_result) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(status.st_mode):
                os.chown(name, -1, self.gid, dir_fd=parent, follow_symlinks=False)
                return
            place = os.open(name, _PLACE, dir_fd=parent)
            try:
                _give(place, os.fstat(place), self.gid)
            finally:
                os.close(place)


def _give(place: int, status: os.stat_result, gid: int) -> None:
    """`place` may be an O_PATH descriptor, which the magic link of procfs turns into the thing itself."""
    if stat.S_ISLNK(status.st_mode):
        return  # it has become one just now
    path = f"/proc/self/fd/{place}"
    bits = DIRECTORY_BITS if stat.S_ISDIR(status.st_mode) else FILE_BITS
    mode = stat.S_IMODE(status.st_mode) | bits
    if status.st_gid != gid:
        os.chown(path, -1, gid)
    # A change of the group takes set-id bits away, which the kubelet gives back; so the mode is always set then.
    if status.st_gid != gid or mode != stat.S_IMODE(status.st_mode):
        os.chmod(path, mode)
