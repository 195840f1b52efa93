"""Compressing log files that were rotated away, in a child of the shim: the loop has one thread and never waits.

A child that dies over it leaves the file as it was, and a `.tmp` beside it that a later rotation takes away.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import zlib
from typing import NoReturn

from podrun.linux import close_range, pidfd, prctl, signal_mask
from podrun.linux.clone3 import CloneFlag, clone3
from podrun.shim.loop import Loop

DELAY = 10.0  # seconds; the kubelet looks at logs as often as that
_NICEST = 19
_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS  # with gzip's header and trailer; the module gzip brings more than it needs
_CHUNK = 256 << 10  # bytes


class Compressor:
    """One child at a time. A file waits for a while first: where logs are rotated so fast that it is deleted soon, no
    time is spent on it."""

    def __init__(self, loop: Loop, delay: float = DELAY) -> None:
        self._loop = loop
        self._delay = delay
        self._child = -1
        self._known: set[str] = set()  # asked for, and not begun
        self._due: list[str] = []

    def compress(self, path: str) -> None:
        """`path` becomes `path.gz`, soon."""
        if path not in self._known:
            self._known.add(path)
            self._loop.after(self._delay, lambda: self._is_due(path))

    def _is_due(self, path: str) -> None:
        self._due.append(path)
        self._start()

    def _start(self) -> None:
        while self._due and self._child < 0:
            path = self._due.pop(0)
            self._known.discard(path)
            if os.path.exists(path):
                self._fork(path)

    def _fork(self, path: str) -> None:
        # Without signals of the parent's own; it ends with its parent.
        before = signal_mask.block_all()
        try:
            pid, child = clone3(CloneFlag(0))
        except OSError:
            return  # the file stays as it is
        finally:
            signal_mask.restore(before)
        if pid == 0:
            _be_child(path)
        self._child = child
        self._loop.watch(child, self._ended)

    def _ended(self) -> None:
        if pidfd.reap(self._child) is None:
            return
        self._loop.unwatch(self._child)
        os.close(self._child)
        self._child = -1
        self._start()


def _be_child(path: str) -> NoReturn:
    status = 1
    try:
        prctl.set_parent_death_signal(signal.SIGKILL)
        gc.disable()
        close_range.close_all_but((0, 1, 2))  # the ends of containers' pipes above all
        with contextlib.suppress(OSError):
            os.nice(_NICEST)
        _compress(path)
        status = 0
    finally:
        os._exit(status)


def _compress(path: str) -> None:
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    unfinished = f"{path}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished)
    target = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    with open(source, "rb") as text, open(target, "wb") as file:
        while chunk := text.read(_CHUNK):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
    os.rename(unfinished, f"{path}.gz")
    os.unlink(path)
