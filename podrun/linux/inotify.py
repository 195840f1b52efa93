"""inotify(7): being told of changes in a directory."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from enum import IntFlag
from typing import NamedTuple

from podrun.linux.syscall import check, declare

_inotify_init1 = declare("inotify_init1", ctypes.c_int)
_inotify_add_watch = declare("inotify_add_watch", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)

_inotify_rm_watch = declare("inotify_rm_watch", ctypes.c_int, ctypes.c_int)

_HEADER = struct.Struct("iIII")


class Mask(IntFlag):
    """IN_... of inotify(7)."""

    MODIFY = 0x2
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000


def inotify_init1() -> int:
    """A new inotify descriptor, non-blocking and close-on-exec."""
    return check(_inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1", "NONBLOCK|CLOEXEC")


def inotify_add_watch(fd: int, path: str | os.PathLike[str], mask: Mask) -> int:
    """The number of the watch."""
    shown = os.fspath(path)
    return check(_inotify_add_watch(fd, os.fsencode(path), mask), "inotify_add_watch", fd, shown, mask)


def inotify_rm_watch(fd: int, watch: int) -> None:
    check(_inotify_rm_watch(fd, watch), "inotify_rm_watch", fd, watch)


class Event(NamedTuple):
    """`name` is that inside the directory; `watch` is -1 where events were lost."""

    watch: int
    mask: Mask
    name: str


def read_events(fd: int) -> Iterator[Event]:
    """What has happened so far; nothing if nothing has."""
    try:
        text = os.read(fd, 64 << 10)
    except BlockingIOError:
        return
    at = 0
    while at < len(text):
        watch, mask, _, length = _HEADER.unpack_from(text, at)
        at += _HEADER.size
        yield Event(watch, Mask(mask), os.fsdecode(text[at : at + length].rstrip(b"\0")))
        at += length
