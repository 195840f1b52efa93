"""Files that change all at once: who reads through `..data` sees the old ones or the new ones, never a mix.

As Kubernetes' atomic writer (pkg/volume/util/atomic_writer.go): files in a directory named by the time, a link `..data`
to it that is replaced by a rename, and a link for each topmost entry to `..data/<entry>`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass

DATA, NEW_DATA = "..data", "..data_tmp"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ROOT_MODE, DIRECTORY_MODE = 0o777, 0o755
# What the pod's group gets of a volume that is only read (pkg/volume, SetVolumeOwnership).
GROUP_READS, GROUP_ENTERS = 0o440, 0o550 | stat.S_ISGID


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int
    uid: int = 0


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who has what is written, as the machine counts."""

    uid: int
    gid: int
    enters: int  # what the group gets of directories besides


def write(directory: int, files: Mapping[str, File], gid: int | None = None, first_id: int = 0) -> bool:
    """Make the directory that a descriptor refers to hold just these files; whether anything had to change.

    `gid` is the pod's group, and `first_id` what is added to users and groups. Nobody but the caller writes there.
    Blocks. Raises OSError.
    """
    extra, enters = (0, 0) if gid is None else (GROUP_READS, GROUP_ENTERS)
    owner = _Owner(first_id, first_id + (gid or 0), enters)
    wanted = {path: File(file.content, file.mode | extra, first_id + file.uid) for path, file in files.items()}
    current = _target(directory, DATA)
    if current and _holds(directory, current, wanted, owner.gid):
        _remove_others(directory, current)
        return False
    _own(directory, ROOT_MODE | (0o2770 if gid is not None else 0), owner)
    fresh = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime()) + str(secrets.randbelow(1 << 32))
    os.mkdir(fresh, 0o700, dir_fd=directory)
    _write_all(directory, fresh, wanted, owner)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(NEW_DATA, dir_fd=directory)
    _link(directory, fresh, NEW_DATA, owner)
    os.rename(NEW_DATA, DATA, src_dir_fd=directory, dst_dir_fd=directory)
    _show(directory, {path.partition("/")[0] for path in wanted}, owner)
    _remove_others(directory, fresh)
    return True


def _own(descriptor: int, mode: int, owner: _Owner) -> None:
    os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, mode)


def _link(directory: int, target: str, name: str, owner: _Owner) -> None:
    os.symlink(target, name, dir_fd=directory)
    if owner.uid:
        os.chown(name, owner.uid, owner.gid, dir_fd=directory, follow_symlinks=False)


def _target(directory: int, link: str) -> str:
    try:
        return os.readlink(link, dir_fd=directory)
    except OSError:
        return ""


def _write_all(directory: int, name: str, files: Mapping[str, File], owner: _Owner) -> None:
    root = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        for path, file in sorted(files.items()):
            parent = _parent(root, path, owner)
            try:
                _write_one(parent, os.path.basename(path), file, owner.gid)
            finally:
                os.close(parent)
        _own(root, DIRECTORY_MODE | owner.enters, owner)
    finally:
        os.close(root)


def _parent(root: int, path: str, owner: _Owner) -> int:
    current = os.dup(root)
    for part in path.split("/")[:-1]:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=current)
        following = os.open(part, _DIRECTORY, dir_fd=current)
        _own(following, DIRECTORY_MODE | owner.enters, owner)
        os.close(current)
        current = following
    return current


def _write_one(parent: int, name: str, file: File, gid: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as opened:
        opened.write(file.content)
        os.fchown(opened.fileno(), file.uid, gid)
        os.fchmod(opened.fileno(), file.mode & 0o777)


def _holds(directory: int, name: str, files: Mapping[str, File], gid: int) -> bool:
    """Whether the directory `name` has these files and no others, down to modes and owners."""
    try:
        root = os.open(name, _DIRECTORY, dir_fd=directory)
    except OSError:
        return False
    try:
        present = set()
        for path, _, names, parent in os.fwalk(".", dir_fd=root):
            for found in names:
                full = os.path.normpath(os.path.join(path, found))
                present.add(full)
                if full not in files or not _is(parent, found, files[full], gid):
                    return False
        return present == files.keys()
    finally:
        os.close(root)


def _is(parent: int, name: str, file: File, gid: int) -> bool:
    try:
        # A reader may hold a lease on it, for which others wait: fcntl(2).
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except BlockingIOError:
        return False
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(opened.fileno())
        owned = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (file.mode & 0o777, file.uid, gid)
        return owned and status.st_size == len(file.content) and opened.read() == file.content


def _show(directory: int, names: set[str], owner: _Owner) -> None:
    """A link for each topmost entry, and none for what is no more."""
    present = {name for name in os.listdir(directory) if not name.startswith("..")}
    for name in names - present:
        _link(directory, f"{DATA}/{name}", name, owner)
    for name in present - names:
        os.unlink(name, dir_fd=directory)


def _remove_others(directory: int, current: str) -> None:
    """The directories of earlier times, and what an interrupted change left."""
    for name in os.listdir(directory):
        if name.startswith("..") and name not in (DATA, current):
            if name == NEW_DATA:
                os.unlink(name, dir_fd=directory)
            else:
                shutil.rmtree(name, dir_fd=directory)
