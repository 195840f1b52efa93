"""openat2(2): opening paths that a hostile program may have written, without ever leaving a root.

It leaves out everything about what is done with the descriptor afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from ctypes import c_char_p, c_int, c_size_t
from enum import IntFlag

from podrun.linux.syscall import NR_OPENAT2, check, declare_syscall

MOST_TRIES = 128


class Resolve(IntFlag):
    """RESOLVE_* of linux/openat2.h."""

    NO_XDEV = 0x01
    NO_MAGICLINKS = 0x02
    NO_SYMLINKS = 0x04
    BENEATH = 0x08
    IN_ROOT = 0x10


_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve
_ALWAYS = int(Resolve.NO_MAGICLINKS)

_openat2 = declare_syscall(NR_OPENAT2, c_int, c_char_p, c_char_p, c_size_t)


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: Resolve = Resolve.IN_ROOT) -> int:
    """A new close-on-exec descriptor for `path` as seen from `dirfd`. Raises SyscallError (ELOOP, EXDEV, ENOENT, ...).

    EAGAIN: somebody renames things all the time or, with O_NONBLOCK, holds a lease on the file, fcntl(2).
    With IN_ROOT, `dirfd` is the root: absolute paths and links, and `..`, stay inside it. Linux 5.6, openat2(2).
    """
    how, encoded = _HOW.pack(flags | os.O_CLOEXEC, mode, int(resolve) | _ALWAYS), os.fsencode(path)
    for _ in range(MOST_TRIES):
        result = _openat2(dirfd, encoded, how, _HOW.size)
        if result >= 0:
            return result
        # EAGAIN: a rename elsewhere on the machine raced with `..`; the man page asks to try again.
        if ctypes.get_errno() != errno.EAGAIN:
            break
    return check(result, "openat2", dirfd, path, flags, oct(mode), resolve)


def make_directories(root_fd: int, path: str, mode: int = 0o755, *, links: int = 40) -> int:
    """An O_PATH descriptor of the directory `path` inside `root_fd`, made with all its parents where absent.

    Symbolic links are followed inside the root; what one points to is made, too, over at most `links` links that lead
    to nothing (/var/run -> /run in an image without /run). Raises SyscallError (ENOTDIR where a file is in the way).
    """
    current = openat2(root_fd, ".", os.O_PATH | os.O_DIRECTORY)
    walked = ""
    try:
        for part in (p for p in path.split("/") if p not in ("", ".")):
            walked = f"{walked}/{part}"
            try:
                following = openat2(root_fd, walked, os.O_PATH | os.O_DIRECTORY)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                following = _make(root_fd, current, walked, mode, links)
            os.close(current)
            current = following
        return current
    except BaseException:
        os.close(current)
        raise


def _make(root_fd: int, parent: int, path: str, mode: int, links: int) -> int:
    name = os.path.basename(path)
    with contextlib.suppress(FileExistsError):  # somebody was faster, or it is a link that leads to nothing
        os.mkdir(name, mode, dir_fd=parent)
    try:
        return openat2(root_fd, path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        if error.errno != errno.ENOENT or links == 0:
            raise
    target = os.readlink(name, dir_fd=parent)
    return make_directories(root_fd, os.path.join(os.path.dirname(path), target), mode, links=links - 1)
