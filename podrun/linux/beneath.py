"""Paths below a directory whose contents somebody hostile may be changing right now: opened and made by descriptor.

Unlike a container's root (openat2.py, IN_ROOT), nothing here may lead out: links are followed as long as they stay
inside, and everything else is EXDEV. So it is with the kubelet (pkg/volume/util/subpath, CVE-2017-1002101).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from podrun.linux.openat2 import Resolve, openat2
from podrun.linux.syscall import SyscallError

_PLACE = os.O_PATH | os.O_CLOEXEC


def open_beneath(directory: int, path: str) -> int:
    """An O_PATH descriptor of the relative `path`. Raises OSError: EXDEV where it leads out, ENOENT if it is absent."""
    if not path.startswith("/"):
        try:
            return openat2(directory, path, _PLACE, resolve=Resolve.BENEATH)
        except SyscallError as error:
            if error.errno != errno.EXDEV:
                raise
            resolved = _absolute_links_resolved(directory, path)
            if resolved:
                return openat2(directory, resolved, _PLACE, resolve=Resolve.BENEATH | Resolve.NO_SYMLINKS)
            raise
    raise SyscallError(errno.EXDEV, f"open {path}")


def _absolute_links_resolved(directory: int, path: str) -> str:
    """Where absolute links in `path` lead, if that is inside again. Only a guess, which the caller opens strictly."""
    outer = os.readlink(f"/proc/self/fd/{directory}")
    inner = os.path.realpath(os.path.join(outer, path))
    return os.path.relpath(inner, outer) if inner.startswith(outer.rstrip("/") + "/") else ""


def make_beneath(directory: int, path: str, owner: int = 0) -> int:
    """As `open_beneath`; what is absent becomes directories of `owner` with the mode of `directory` itself."""
    if (present := _open_present(directory, path)) >= 0:
        return present
    mode = stat.S_IMODE(os.fstat(directory).st_mode) & 0o777 or 0o750
    current, walked = openat2(directory, ".", _PLACE | os.O_DIRECTORY), ""
    try:
        for part in (p for p in path.split("/") if p not in ("", ".")):
            walked = f"{walked}/{part}" if walked else part
            following = _make(directory, current, walked, part, mode, owner)
            os.close(current)
            current = following
        return current
    except BaseException:
        os.close(current)
        raise


def _open_present(directory: int, path: str) -> int:
    try:
        return open_beneath(directory, path)
    except SyscallError as error:
        if error.errno == errno.ENOENT:
            return -1
        raise


def _make(directory: int, parent: int, walked: str, name: str, mode: int, owner: int) -> int:
    if (present := _open_present(directory, walked)) >= 0:
        return present
    if name == "..":
        raise SyscallError(errno.EXDEV, f"open {walked}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
    place = openat2(parent, name, _PLACE | os.O_DIRECTORY, resolve=Resolve.BENEATH | Resolve.NO_SYMLINKS)
    if owner:
        os.chown(f"/proc/self/fd/{place}", owner, -1 if os.fstat(place).st_mode & stat.S_ISGID else owner)
    with contextlib.suppress(OSError):  # past the umask; a setgid bit that the parent handed on stays
        kept = stat.S_IMODE(os.fstat(place).st_mode) & stat.S_ISGID
        os.chmod(f"/proc/self/fd/{place}", mode | kept)
    return place
