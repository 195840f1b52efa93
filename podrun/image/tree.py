"""Writes the entries of a layer below one directory, and nowhere else, whatever their names and links say.

Whiteouts become what overlayfs understands: character devices 0/0, and trusted.overlay.opaque on directories (OCI image
spec, "Layer Filesystem Changeset"; kernel overlayfs.rst). Nothing else may change the directory meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from podrun.image.errors import BadImage, shown
from podrun.image.removal import remove_tree
from podrun.image.tar import Entry, Kind
from podrun.linux.openat2 import Resolve, openat2

WHITEOUT = ".wh."
_OPAQUE_MARK = ".wh..wh..opq"
_AUFS = ".wh..wh."
_OPAQUE = "trusted.overlay.opaque"
_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
_KEPT_PARENTS = 64


class Tree:
    """One layer while it is written. `unannounced` are directories that no entry told of: they are 0755 of root."""

    def __init__(self, root: Path) -> None:
        """`root`: an empty directory; what gets replaced is moved beside it to be removed."""
        self._root = os.open(root, _DIRECTORY | os.O_NOFOLLOW)
        self._aside = root.parent
        self._parents: dict[str, int] = {}
        self._stale = False
        self._times: dict[str, int] = {}
        self.unannounced: dict[int, str] = {}  # inode number and path
        self._note_unannounced(self._root, "/")

    def add(self, entry: Entry, content: Iterable[memoryview]) -> None:
        """Writes one entry. Raises BadImage, or OSError with the name of the entry where the kernel refuses."""
        path = _clean(entry.name)
        parent_path, name = posixpath.split(path)
        parts = path.split("/")
        if any(part.startswith(WHITEOUT) for part in parts):
            self._mark(parts, parent_path, name)
        elif not name:
            self._dress_root(entry)
        else:
            self._create(entry, self._parent(parent_path), name, content)
            if entry.kind is Kind.DIRECTORY:
                self._times[path] = entry.mtime_ns

    def finish(self) -> None:
        """Sets the directories' times, which every new entry had changed."""
        self._forget_parents()
        for path, time in self._times.items():
            with contextlib.suppress(OSError):  # a later entry may have put something else there
                fd = openat2(self._root, path, _DIRECTORY)
                try:
                    os.utime(f"/proc/self/fd/{fd}", ns=(time, time))
                finally:
                    os.close(fd)

    def close(self) -> None:
        self._forget_parents()
        os.close(self._root)

    # -- whiteouts

    def _mark(self, parts: list[str], parent_path: str, name: str) -> None:
        if name == _OPAQUE_MARK and not any(part.startswith(WHITEOUT) for part in parts[:-1]):
            self._set_opaque(self._parent(parent_path), ".")
            return
        if any(part.startswith(_AUFS) for part in parts):
            return  # aufs' own bookkeeping, no part of the image
        hidden = name.removeprefix(WHITEOUT)
        if hidden == name or any(part.startswith(WHITEOUT) for part in parts[:-1]):
            raise BadImage("a whiteout used as a directory")
        if hidden in ("", ".", ".."):
            raise BadImage("a whiteout of nothing")
        self._white_out(self._parent(parent_path), hidden)

    def _white_out(self, parent: int, name: str) -> None:
        """Hides `name` of the layers below; what this layer itself has there stays."""
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(_status(parent, name).st_mode):
                self._set_opaque(parent, name)

    def _set_opaque(self, parent: int, name: str) -> None:
        os.setxattr(f"/proc/self/fd/{parent}/{name}", _OPAQUE, b"y", follow_symlinks=name == ".")

    # -- entries

    def _create(self, entry: Entry, parent: int, name: str, content: Iterable[memoryview]) -> None:
        match entry.kind:
            case Kind.FILE:
                self._replacing(parent, name, partial(_write_file, entry, parent, name, content))
            case Kind.HARD_LINK:
                self._link(entry, parent, name)
            case Kind.DIRECTORY:
                self._make_directory(parent, name)
                _dress(entry, parent, name)
                self.unannounced.pop(_status(parent, name).st_ino, None)
            case _:
                self._replacing(parent, name, partial(_make_node, entry, parent, name))
                _dress(entry, parent, name)

    def _replacing(self, parent: int, name: str, create: Callable[[], None]) -> None:
        """`create`, once more where something older had to be taken away first."""
        try:
            create()
        except FileExistsError:
            self._clear(parent, name)
            create()

    def _make_directory(self, parent: int, name: str) -> None:
        """A directory joins one that is there; over a whiteout it hides all that the layers below have."""
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            status = _status(parent, name)
            if stat.S_ISDIR(status.st_mode):
                return
            self._clear(parent, name)
            os.mkdir(name, 0o755, dir_fd=parent)
            if _is_whiteout(status):
                self._set_opaque(parent, name)

    def _link(self, entry: Entry, parent: int, name: str) -> None:
        target_parent_path, target = posixpath.split(_clean(entry.target))
        try:
            source = openat2(self._root, target_parent_path, _DIRECTORY)
        except OSError as error:
            raise _missing_target(entry) from error
        try:
            if os.path.samestat(os.fstat(source), os.fstat(parent)) and name == target:
                return  # of a file with itself
            link = partial(os.link, target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            self._replacing(parent, name, link)
        except FileNotFoundError as error:
            raise _missing_target(entry) from error
        finally:
            os.close(source)

    def _clear(self, parent: int, name: str) -> None:
        """Takes away what an earlier entry put at `name`."""
        self._stale = True
        if stat.S_ISDIR(_status(parent, name).st_mode):
            remove_tree(Path(f"/proc/self/fd/{parent}/{name}"), aside=self._aside)
        else:
            os.unlink(name, dir_fd=parent)

    def _dress_root(self, entry: Entry) -> None:
        if entry.kind is not Kind.DIRECTORY:
            raise BadImage("the root of a layer must be a directory")
        _dress(entry, self._root, ".")
        self.unannounced.pop(os.fstat(self._root).st_ino, None)
        self._times["/"] = entry.mtime_ns

    # -- parents

    def _parent(self, path: str) -> int:
        """A descriptor of the directory `path`, kept for the next entries. Links are followed inside the layer."""
        if self._stale or len(self._parents) >= _KEPT_PARENTS:
            self._forget_parents()
        if path not in self._parents:
            try:
                fd = openat2(self._root, path, _DIRECTORY)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise
                fd = self._make_parents(path)
            self._parents[path] = fd
        return self._parents[path]

    def _forget_parents(self) -> None:
        for fd in self._parents.values():
            os.close(fd)
        self._parents.clear()
        self._stale = False

    def _make_parents(self, path: str) -> int:
        """A descriptor of the directory `path`, made with all parents where absent."""
        todo = path.split("/")[::-1]
        walked: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            match part:
                case "" | ".":
                    continue
                case "..":
                    del walked[-1:]
                    continue
            target = self._enter("/" + "/".join(walked), part)
            if target is None:
                walked.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if target.startswith("/"):
                walked.clear()
            todo += target.split("/")[::-1]
        return openat2(self._root, "/" + "/".join(walked), _DIRECTORY, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)

    def _enter(self, parent_path: str, name: str) -> str | None:
        """Sees to it that `name` is a directory, or returns the target of the link that it is."""
        # No link is left in parent_path: it was walked part by part.
        parent = openat2(self._root, parent_path, _DIRECTORY, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
        try:
            path = posixpath.join(parent_path, name)
            try:
                status = _status(parent, name)
            except FileNotFoundError:
                self._make_unannounced(parent, name, path)
                return None
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(name, dir_fd=parent)
            if _is_whiteout(status):
                self._make_directory(parent, name)
            elif not stat.S_ISDIR(status.st_mode):
                raise BadImage(f"{shown(path)} is not a directory")
            return None
        finally:
            os.close(parent)

    def _make_unannounced(self, parent: int, name: str, path: str) -> None:
        os.mkdir(name, 0o755, dir_fd=parent)
        fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            self._note_unannounced(fd, path)
        finally:
            os.close(fd)

    def _note_unannounced(self, fd: int, path: str) -> None:
        os.chmod(f"/proc/self/fd/{fd}", 0o755)
        self.unannounced[os.fstat(fd).st_ino] = path


def _clean(name: str) -> str:
    """The name as seen from the layer's root: absolute, without `.` and `..`."""
    return posixpath.normpath("/" + name.lstrip("/"))


def _status(parent: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(0, 0)


def _missing_target(entry: Entry) -> BadImage:
    return BadImage(f"it is a hard link to {shown(entry.target)}, which is not in the layer")


def _make_node(entry: Entry, parent: int, name: str) -> None:
    match entry.kind:
        case Kind.SYMLINK:
            os.symlink(entry.target, name, dir_fd=parent)
        case Kind.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
        case _:
            if entry.major >= 1 << 12 or entry.minor >= 1 << 20:
                raise BadImage(f"there is no device {entry.major}:{entry.minor}")
            kind = stat.S_IFCHR if entry.kind is Kind.CHARACTER_DEVICE else stat.S_IFBLK
            os.mknod(name, kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=parent)


def _dress(entry: Entry, parent: int, name: str) -> None:
    """Owner, then mode (chown clears set-id bits), then attributes (chown clears capabilities), then the time."""
    os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(name, entry.mode, dir_fd=parent)
        set_attributes(f"/proc/self/fd/{parent}/{name}", entry.xattrs)
    os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)


def _write_file(entry: Entry, parent: int, name: str, content: Iterable[memoryview]) -> None:
    fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
    try:
        if entry.extents is None:
            for piece in content:
                _write(fd, piece)
        else:
            _write_sparse(fd, entry, entry.extents, content)
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode)
        set_attributes(fd, entry.xattrs)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
    finally:
        os.close(fd)


def _write_sparse(fd: int, entry: Entry, extents: Iterable[tuple[int, int]], content: Iterable[memoryview]) -> None:
    pieces = iter(content)
    piece = memoryview(b"")
    for offset, length in extents:
        os.lseek(fd, offset, os.SEEK_SET)
        while length:
            piece = piece or next(pieces)
            _write(fd, piece[:length])
            piece, length = piece[length:], max(length - len(piece), 0)
    os.ftruncate(fd, entry.size)


def _write(fd: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(fd, piece) :]


def _is_allowed(key: str) -> bool:
    """What an image may set: not trusted.overlay.* and the like, which would steer the kernel, nor security labels."""
    if key.startswith("user."):
        return not key.startswith("user.overlay.")
    return key in ("security.capability", "system.posix_acl_access", "system.posix_acl_default")


def set_attributes(place: int | str, xattrs: dict[str, bytes]) -> None:
    for key, value in xattrs.items():
        if _is_allowed(key) and "\0" not in key:
            try:
                os.setxattr(place, key, value)
            except OSError as error:
                # Notes of a program's own: not every filesystem takes them (tmpfs since Linux 6.6).
                if error.errno != errno.ENOTSUP or not key.startswith("user."):
                    raise
