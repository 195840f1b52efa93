"""Directories that a layer has only as parents of its entries get the looks that they have in the layers below.

Overlayfs shows a merged directory as the topmost layer has it: its attributes must not change unasked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from podrun.image.tree import set_attributes
from podrun.linux.openat2 import Resolve, openat2

_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY | os.O_NOFOLLOW


def dress(layer: Path, unannounced: Mapping[int, str], lowers: Sequence[Path]) -> None:
    """`unannounced` as Tree has it for `layer`; `lowers` are the unpacked layers below, top to bottom."""
    if not lowers:
        return
    with contextlib.ExitStack() as stack:
        root = _opened(stack, layer)
        below = [_opened(stack, lower) for lower in lowers]
        for inode, path in unannounced.items():
            with contextlib.ExitStack() as each:
                directory = _directory(each, root, path, inode)
                lower = None if directory is None else _topmost(each, below, path)
                if directory is not None and lower is not None:
                    _dress_like(directory, lower)


def _opened(stack: contextlib.ExitStack, directory: Path) -> int:
    fd = os.open(directory, _DIRECTORY)
    stack.callback(os.close, fd)
    return fd


def _directory(stack: contextlib.ExitStack, root: int, path: str, inode: int) -> int | None:
    """None where a later entry put something else there."""
    try:
        fd = openat2(root, path, _DIRECTORY, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
    except OSError:
        return None
    stack.callback(os.close, fd)
    return fd if os.fstat(fd).st_ino == inode else None


def _topmost(stack: contextlib.ExitStack, lowers: Sequence[int], path: str) -> int | None:
    """The directory `path` of the topmost layer that has one, None where the view from above has none."""
    for lower in lowers:
        try:
            fd = openat2(lower, path, _PATH | os.O_NOFOLLOW, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue
            return None
        stack.callback(os.close, fd)
        return fd if stat.S_ISDIR(os.fstat(fd).st_mode) else None
    return None


def _dress_like(directory: int, lower: int) -> None:
    place, source = f"/proc/self/fd/{directory}", f"/proc/self/fd/{lower}"
    status = os.fstat(lower)
    os.chown(place, status.st_uid, status.st_gid)
    os.chmod(place, stat.S_IMODE(status.st_mode))
    set_attributes(place, {key: os.getxattr(source, key) for key in os.listxattr(source)})
    os.utime(place, ns=(status.st_mtime_ns, status.st_mtime_ns))
