"""Files out of a running container and into it, as a tar archive on stdout or stdin: a process of its own.

    python -I -m podrun.container.files PIDFD ["user"|""] read PATH
    python -I -m podrun.container.files PIDFD ["user"|""] write PATH NAME MODE

It joins the container's mount namespace before it looks at any path, so no path and no link leads out of the container.
From then on it imports nothing and asks no name service: both would come from the hostile image. It never follows
magic links of /proc, opens only regular files and directories, and can't be traced or looked into by the container.
Words for the caller go to stderr, a line of JSON each: what is there, then, after writing, that all was written.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import os
import stat
import struct
import sys
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from podrun.linux import capabilities, namespaces, openat2, prctl
from podrun.linux.clone3 import CloneFlag

KEPT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")
PIECE = 1 << 18
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_USED_LATER = (copy, struct)  # by tarfile


class Refusal(Exception):
    """What the user reads."""


def main(words: list[str]) -> int:
    pidfd, users, verb, path, *more = words
    try:
        _enter(int(pidfd), other_users=users == "user")
        if verb == "read":
            _read(path, sys.stdout.buffer)
        else:
            name, owner = more
            _write(path, name, owner, sys.stdin.buffer)
    except Refusal as refusal:
        return _say(error=str(refusal))
    except (OSError, tarfile.TarError, ValueError, RecursionError) as error:
        return _say(error=f"cannot copy {path}: {why(error)}")
    return 0


def _say(**said: str) -> int:
    os.write(2, json.dumps(said).encode() + b"\n")
    return 1 if "error" in said else 0


def why(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _enter(pidfd: int, *, other_users: bool) -> None:
    """Into the container; what it is made of is not trusted from here on."""
    prctl.set_dumpable(False)
    kinds = CloneFlag.NEWNS | (CloneFlag.NEWUSER if other_users else CloneFlag(0))
    namespaces.setns(pidfd, kinds)
    os.close(pidfd)
    sys.path.clear()
    sys.meta_path.clear()
    # Names of users would be looked up by code and files of the container (CVE-2019-14271).
    for module in ("pwd", "grp"):
        setattr(tarfile, module, None)
    if other_users:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    kept = capabilities.mask(*KEPT)
    capabilities.limit_bounding_set(kept)
    capabilities.capset(kept, kept)
    prctl.set_no_new_privs()
    prctl.set_dumpable(False)
    os.umask(0)


# Out of the container.


def _read(path: str, out: BinaryIO) -> None:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened = openat2.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK)
    found = os.fstat(opened)
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise Refusal(f"cannot copy {path}: neither a file nor a directory")
    _say(kind="directory" if stat.S_ISDIR(found.st_mode) else "file")
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        _pack(archive, opened, ".", found)
    out.flush()


def _pack(archive: tarfile.TarFile, opened: int, name: str, found: os.stat_result) -> None:
    """One file or directory with all below it. `opened` is closed."""
    try:
        head = _head(name, found)
        if stat.S_ISREG(found.st_mode):
            with os.fdopen(os.dup(opened), "rb", buffering=0) as file:
                content: Any = _Exactly(file, found.st_size)
                archive.addfile(head, content)
            return
        archive.addfile(head)
        for inside in sorted(os.listdir(opened)):
            _pack_inside(archive, opened, inside, f"{name}/{inside}")
    finally:
        os.close(opened)


def _pack_inside(archive: tarfile.TarFile, directory: int, name: str, path: str) -> None:
    """What goes while it is copied, and what is neither file, directory nor link, is left out."""
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            head = _head(path, found)
            head.type, head.linkname, head.size = tarfile.SYMTYPE, os.readlink(name, dir_fd=directory), 0
            archive.addfile(head)
        elif stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            try:
                opened = os.open(name, _OPEN, dir_fd=directory)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    return
                raise
            now = os.fstat(opened)
            if stat.S_IFMT(now.st_mode) != stat.S_IFMT(found.st_mode):
                os.close(opened)
                return
            _pack(archive, opened, path, now)


def _head(name: str, found: os.stat_result) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.mode, head.uid, head.gid, head.mtime = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime
    if stat.S_ISDIR(found.st_mode):
        head.type = tarfile.DIRTYPE
    else:
        head.size = found.st_size
    return head


class _Exactly:
    """As many bytes as were announced: a file that shrinks meanwhile ends in zeros, one that grows is cut."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int) -> bytes:
        wanted = min(size, self._left)
        piece = self._file.read(wanted) or b""
        piece += bytes(wanted - len(piece)) if not piece else b""
        self._left -= len(piece)
        return piece if len(piece) == wanted else piece + self.read(wanted - len(piece))


# Into the container.


def _write(path: str, name: str, owner: str, source: BinaryIO) -> None:
    """`path`, or `name` in it if it is a directory. `owner`: UID:GID of all that is made; empty: as in the archive."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parent = openat2.openat2(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR) or path.endswith("/"):
            raise
        parent = openat2.openat2(root, os.path.dirname(path.rstrip("/")) or "/", os.O_RDONLY | os.O_DIRECTORY)
        name = os.path.basename(path.rstrip("/"))
    who = tuple(int(part) for part in owner.split(":")) if owner else None
    with tarfile.open(fileobj=source, mode="r|", encoding="utf-8") as archive:
        directories = []
        for head in archive:
            parts = [name, *(part for part in head.name.split("/") if part not in ("", "."))]
            if ".." in parts:
                raise Refusal(f"cannot copy: a name in the archive leads outwards: {head.name}")
            with _directory(parent, parts[:-1]) as place:
                if head.isdir():
                    _make_directory(place, parts[-1])
                    directories.append((parts, head))
                elif head.issym():
                    _unlink(place, parts[-1])
                    os.symlink(head.linkname, parts[-1], dir_fd=place)
                    _own(place, parts[-1], head, who)
                elif head.isreg():
                    _write_file(archive, place, parts[-1], head, who)
        for parts, head in reversed(directories):
            with _directory(parent, parts) as place:
                os.fchown(place, *(who or (head.uid, head.gid)))
                os.fchmod(place, head.mode & 0o7777)
    _say(done="")


@contextlib.contextmanager
def _directory(start: int, parts: list[str]) -> Iterator[int]:
    """Walked step by step: a link in the way is refused."""
    current = os.dup(start)
    try:
        for part in parts:
            following = os.open(part, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _make_directory(place: int, name: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=place)
    except FileExistsError:
        os.close(os.open(name, _DIRECTORY, dir_fd=place))


def _unlink(place: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place)


def _write_file(
    archive: tarfile.TarFile, place: int, name: str, head: tarfile.TarInfo, who: tuple[int, ...] | None
) -> None:
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        _unlink(place, name)
        file = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=place)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        file = os.open(name, flags | os.O_TRUNC, dir_fd=place)  # A mount: it can only be written over.
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise
    try:
        content = archive.extractfile(head)
        assert content is not None
        while piece := content.read(PIECE):
            while piece:
                piece = piece[os.write(file, piece) :]
        os.fchown(file, *(who or (head.uid, head.gid)))
        os.fchmod(file, head.mode & 0o7777)
        os.utime(file, (head.mtime, head.mtime))
    finally:
        os.close(file)


def _own(place: int, name: str, head: tarfile.TarInfo, who: tuple[int, ...] | None) -> None:
    uid, gid = who or (head.uid, head.gid)
    os.chown(name, uid, gid, dir_fd=place, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
