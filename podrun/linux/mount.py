"""mount(2) and its newer relatives that work on descriptors: open_tree, move_mount, mount_setattr, fsopen, fsmount.

Knows nothing of containers. Everything raises SyscallError.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Mapping
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_ulong
from enum import IntFlag

from podrun.linux.syscall import (
    NR_FSCONFIG,
    NR_FSMOUNT,
    NR_FSOPEN,
    NR_MOUNT_SETATTR,
    NR_MOVE_MOUNT,
    NR_OPEN_TREE,
    SyscallError,
    check,
    declare,
    declare_syscall,
)


class MountFlag(IntFlag):
    """MS_* of mount(2)."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    REMOUNT = 0x20
    BIND = 0x1000
    REC = 0x4000
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20


class Attribute(IntFlag):
    """MOUNT_ATTR_* of mount_setattr(2) and fsmount(2)."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8


NOTHING = Attribute(0)
NO_FLAGS = MountFlag(0)
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
_MNT_DETACH = 2
_IDMAP = 0x00100000  # MOUNT_ATTR_IDMAP
_OPEN_TREE_CLONE = 1
_CLOEXEC = os.O_CLOEXEC
_MOVE_FROM_AND_TO_EMPTY_PATH = 0x4 | 0x40
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CREATE = 0, 1, 6

_mount = declare("mount", c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_umount2 = declare("umount2", c_char_p, c_int)
_pivot_root = declare("pivot_root", c_char_p, c_char_p)
_open_tree = declare_syscall(NR_OPEN_TREE, c_int, c_char_p, c_uint)
_move_mount = declare_syscall(NR_MOVE_MOUNT, c_int, c_char_p, c_int, c_char_p, c_uint)
_mount_setattr = declare_syscall(NR_MOUNT_SETATTR, c_int, c_char_p, c_uint, c_char_p, c_size_t)
_fsopen = declare_syscall(NR_FSOPEN, c_char_p, c_uint)
_fsconfig = declare_syscall(NR_FSCONFIG, c_int, c_uint, c_char_p, c_char_p, c_int)
_fsmount = declare_syscall(NR_FSMOUNT, c_int, c_uint, c_uint)


def mount(source: str, target: str, fstype: str = "none", flags: MountFlag = NO_FLAGS, data: str = "") -> None:
    """mount(2). `data` of 4096 bytes or more would be cut by the kernel without a word: ValueError."""
    options = os.fsencode(data)
    if len(options) >= 4096:
        raise ValueError(f"mount options of {len(options)} bytes do not fit in one page")
    result = _mount(os.fsencode(source), os.fsencode(target), fstype.encode(), flags, options)
    check(result, "mount", source, target, fstype, flags, *([data] if data else []))


def umount_detach(target: str) -> None:
    """umount2(2) with MNT_DETACH: unmounts all below, too, as soon as nobody uses it."""
    check(_umount2(os.fsencode(target), _MNT_DETACH), "umount2", target, "MNT_DETACH")


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    check(_pivot_root(os.fsencode(new_root), os.fsencode(put_old)), "pivot_root", new_root, put_old)


def open_tree(dirfd: int, path: str, *, recursive: bool = False) -> int:
    """A detached copy (OPEN_TREE_CLONE) of the mount at `path`; an empty path means `dirfd` itself. Linux 5.2."""
    flags = _OPEN_TREE_CLONE | _CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    result = _open_tree(dirfd, os.fsencode(path), flags)
    return check(result, "open_tree", dirfd, path, "CLONE|RECURSIVE" if recursive else "CLONE")


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach a detached mount to what `target_fd` (O_PATH will do) refers to. Linux 5.2."""
    result = _move_mount(mount_fd, b"", target_fd, b"", _MOVE_FROM_AND_TO_EMPTY_PATH)
    check(result, "move_mount", mount_fd, target_fd)


_MOUNT_ATTR = struct.Struct("=QQQQ")  # struct mount_attr: attr_set, attr_clr, propagation, userns_fd


def mount_setattr(
    mount_fd: int,
    attributes: Attribute = NOTHING,
    *,
    clear: Attribute = NOTHING,
    propagation: MountFlag = NO_FLAGS,
    recursive: bool = False,
) -> None:
    """Change a mount's attributes or its propagation (one of PRIVATE, SLAVE, SHARED). Linux 5.12."""
    wanted = _MOUNT_ATTR.pack(attributes, clear, propagation, 0)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    result = _mount_setattr(mount_fd, b"", flags, wanted, _MOUNT_ATTR.size)
    check(result, "mount_setattr", mount_fd, attributes, propagation)


def map_ids(mount_fd: int, user_namespace: int, *, recursive: bool = False) -> None:
    """Show a detached mount's files with owners as the namespace maps them: 0 as what it has for 0. Linux 5.12.

    EINVAL: the file system, or one below it, can't do that.
    """
    wanted = _MOUNT_ATTR.pack(_IDMAP, 0, 0, user_namespace)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    result = _mount_setattr(mount_fd, b"", flags, wanted, _MOUNT_ATTR.size)
    check(result, "mount_setattr", mount_fd, "IDMAP")


def new_mount(fstype: str, options: Mapping[str, str | None], attributes: Attribute = NOTHING) -> int:
    """A detached mount of a new file system: fsopen, fsconfig for each option (None: a flag), fsmount. Linux 5.2.

    What the file system itself says about a failure is part of the error.
    """
    context = check(_fsopen(fstype.encode(), 1), "fsopen", fstype)
    try:
        for key, value in options.items():
            kind, text = (_FSCONFIG_SET_FLAG, None) if value is None else (_FSCONFIG_SET_STRING, os.fsencode(value))
            result = _fsconfig(context, kind, key.encode(), text, 0)
            if result < 0:
                _check_context(result, context, "fsconfig", fstype, key if value is None else f"{key}={value}")
        result = _fsconfig(context, _FSCONFIG_CREATE, None, None, 0)
        _check_context(result, context, "fsconfig", fstype, "CREATE")
        return _check_context(_fsmount(context, 1, attributes), context, "fsmount", fstype, attributes)
    finally:
        os.close(context)


def _check_context(result: int, context: int, name: str, *arguments: object) -> int:
    if result >= 0:
        return result
    try:
        return check(result, name, *arguments)
    except SyscallError as error:
        with contextlib.suppress(OSError):
            error.call += f": {os.read(context, 1024).decode(errors='replace')[2:].strip()}"
        raise
