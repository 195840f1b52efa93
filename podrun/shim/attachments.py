"""Clients attached to a running container: what it writes goes to each over a pipe of its own, within bounds.

A container that writes faster than a client reads is held back by that client for a while, as by a terminal; one that
has not caught up then is dropped, and the container goes on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from podrun.shim import messages
from podrun.shim.connection import Connection
from podrun.shim.loop import WRITABLE, Loop, Timer

MOST_WAITING = 1 << 20  # bytes kept for one client besides what its pipe holds
PATIENCE = 2.0  # seconds in which a client that is so far behind has to take half of that
_SLOW = "attach: the client did not read, and what the container wrote became too much to keep"


class Outlet:
    """The inner end of one client's pipe, never blocking. `on_end` is called once, when it is closed for good.

    When it `is_full` nothing more should come until `on_room`; what comes all the same is taken.
    """

    def __init__(self, loop: Loop, on_end: Callable[[], None], on_slow: Callable[[], None]) -> None:
        self.outer, self._pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        self._loop = loop
        self._on_end = on_end
        self._on_slow = on_slow
        self.on_room: Callable[[], None] = _nothing
        self.is_full = False
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._timer: Timer | None = None
        self._is_finished = False

    @property
    def is_open(self) -> bool:
        return self._pipe >= 0

    def write(self, batch: bytes) -> None:
        if not self.is_open:
            return
        if not self._waiting:
            batch = self._try(batch)
            if not batch:
                return
            self._loop.watch(self._pipe, self._flush, WRITABLE)
        self._waiting.append(batch)
        self._size += len(batch)
        if self._size > MOST_WAITING and not self.is_full:
            self.is_full = True
            self._timer = self._loop.after(PATIENCE, self._on_slow)

    def finish(self) -> None:
        """Nothing more comes: the end of the pipe follows when the client has taken all."""
        self._is_finished = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        if not self.is_open:
            return
        self._loop.unwatch(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        self._waiting.clear()
        self._size = 0
        self._make_room()
        self._on_end()

    def _make_room(self) -> None:
        if self.is_full and self._size <= MOST_WAITING // 2:
            self.is_full = False
            if self._timer is not None:
                self._timer.cancel()
            self.on_room()

    def _flush(self) -> None:
        while self._waiting:
            batch = self._waiting.popleft()
            rest = self._try(batch)
            if not self.is_open:
                return
            self._size += len(rest) - len(batch)
            self._make_room()
            if rest:
                self._waiting.appendleft(rest)
                return
        self._loop.unwatch(self._pipe)
        if self._is_finished:
            self.close()

    def _try(self, batch: bytes) -> bytes:
        """What is left to write; nothing where the client has closed its end."""
        try:
            return batch[os.write(self._pipe, batch) :]
        except BlockingIOError:
            return batch
        except OSError:
            self.close()
            return b""


def _nothing() -> None:
    pass


class Attachment:
    """One client. `forget` is called when it is over."""

    def __init__(self, loop: Loop, connection: Connection, id: int, forget: Callable[[Attachment], None]) -> None:
        self.connection = connection
        self._loop = loop
        self._id = id
        self._forget = forget
        self._outlets: list[Outlet] = []
        self._code: int | None = None

    def outlet(self) -> Outlet:
        made = Outlet(self._loop, self._outlet_ended, self._drop)
        self._outlets.append(made)
        return made

    def begin(self, pid: int, logged: int, descriptors: tuple[int, ...]) -> None:
        """Hand the outer ends out; they are closed here."""
        self.connection.send(self._id, messages.ExecStarted(pid, logged), descriptors)

    def finish(self, code: int) -> None:
        """The container has ended: the client learns so after it has taken everything."""
        self._code = code
        for outlet in self._outlets:
            outlet.finish()
        self._outlet_ended()

    def close(self) -> None:
        """The client is gone."""
        for outlet in self._outlets:
            outlet.close()
        self._forget(self)

    def _drop(self) -> None:
        self._code = None
        self.connection.refuse(self._id, _SLOW)
        self.close()

    def _outlet_ended(self) -> None:
        if self._code is not None and not any(outlet.is_open for outlet in self._outlets):
            code, self._code = self._code, None
            self.connection.send(self._id, messages.ExecEnded(code))
            self._forget(self)
