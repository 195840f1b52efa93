"""Wakes whoever follows a log when its directory changes. One inotify instance for all: a user may have few (128)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from podrun.linux import inotify

_MASK = inotify.Mask.MODIFY | inotify.Mask.CREATE | inotify.Mask.MOVED_TO
_NONE = -1  # the directory is not there, and so no log: only the end of the run is waited for


class LogChanges:
    """On the event loop. The instance is there while anybody follows."""

    def __init__(self) -> None:
        self._fd = -1
        self._waiting: dict[int, list[asyncio.Event]] = {}  # by watch; several may follow one directory

    @contextlib.contextmanager
    def told(self, directory: Path, wakeup: asyncio.Event) -> Iterator[None]:
        """Sets `wakeup` whenever a file in the directory is written to, made or renamed. OSError."""
        if self._fd < 0:
            self._fd = inotify.inotify_init1()
            asyncio.get_running_loop().add_reader(self._fd, self._read)
        try:
            watch = self._watch(directory)
            self._waiting.setdefault(watch, []).append(wakeup)
            try:
                yield
            finally:
                self._waiting[watch].remove(wakeup)
                if not self._waiting[watch]:
                    self._forget(watch)
        finally:
            if not self._waiting:
                asyncio.get_running_loop().remove_reader(self._fd)
                os.close(self._fd)
                self._fd = -1

    def _watch(self, directory: Path) -> int:
        try:
            return inotify.inotify_add_watch(self._fd, directory, _MASK)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return _NONE

    def _forget(self, watch: int) -> None:
        del self._waiting[watch]
        if watch != _NONE:
            with contextlib.suppress(OSError):  # it went with its directory
                inotify.inotify_rm_watch(self._fd, watch)

    def _read(self) -> None:
        for event in inotify.read_events(self._fd):
            everyone = self._waiting.values() if event.mask & inotify.Mask.Q_OVERFLOW else ()
            for waiting in everyone or (self._waiting.get(event.watch, ()),):
                for wakeup in waiting:
                    wakeup.set()
