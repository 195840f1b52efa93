"""Collecting, without blocking the loop, what a newborn process tells about its start."""

from __future__ import annotations

import os
from collections.abc import Callable

from podrun.container import newborn
from podrun.shim.loop import Loop

Outcome = newborn.Resolved | newborn.StartError


class Report:
    """Calls `then` once, at the end of the report. `finish` brings that about when the process is known to be dead."""

    def __init__(self, loop: Loop, pipe: int, then: Callable[[Outcome], None]) -> None:
        self._loop = loop
        self._pipe = pipe
        self._then = then
        self._received = b""
        loop.watch(pipe, self._read)

    def finish(self) -> None:
        while self._pipe >= 0 and self._read_some():
            pass
        self._end()

    def _read(self) -> None:
        if not self._read_some():
            self._end()

    def _read_some(self) -> bool:
        try:
            chunk = os.read(self._pipe, 65536)
        except BlockingIOError:
            # From `finish` this means that a stranger holds the pipe, which would be a bug: it is not waited for.
            return False
        self._received += chunk
        return bool(chunk)

    def _end(self) -> None:
        if self._pipe < 0:
            return
        self._loop.unwatch(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        self._then(newborn.read_outcome(self._received))
