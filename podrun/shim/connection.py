"""One client of a shim's socket: lines in, lines and descriptors out, never blocking and within bounds.

It leaves out what the requests mean.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Callable

from podrun.shim import messages, wire
from podrun.shim.loop import READABLE, WRITABLE, Loop

MOST_UNREAD = 8 << 20  # bytes a client may leave unread before it is dropped
_CHUNK = 64 << 10  # bytes taken from one client in one turn


class Connection:
    """Calls `on_request(connection, id, request)` for each line, and `on_close(connection)` once."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_request: Callable[[Connection, int, object], None],
        on_close: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._on_request = on_request
        self._on_close = on_close
        self._received = bytearray()
        self._scanned = 0
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._unread = 0
        self._events = READABLE
        self.is_open = True
        self.follows = False
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._ready)

    @property
    def is_flushed(self) -> bool:
        return not self._outgoing

    def send(self, id: int, message: object, descriptors: tuple[int, ...] = ()) -> None:
        """Queue one line. With it go `descriptors`, which this closes when they are sent or can't be."""
        if not self.is_open:
            _close_all(descriptors)
            return
        line = wire.encode(message, id)
        self._outgoing.append((line, descriptors))
        self._unread += len(line)
        self._flush()
        if self._unread > MOST_UNREAD:
            self.close()

    def refuse(self, id: int, message: str, errno: int = 0) -> None:
        self.send(id, messages.Refused(message, errno))

    def close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._loop.unwatch(self._socket.fileno())
        self._socket.close()
        for _, descriptors in self._outgoing:
            _close_all(descriptors)
        self._outgoing.clear()
        self._received.clear()
        self._on_close(self)

    def _ready(self) -> None:
        if self._outgoing:
            self._flush()
        if self.is_open:
            self._receive()

    def _receive(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return
        self._received += chunk
        self._split()

    def _split(self) -> None:
        while self.is_open:
            end = self._received.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = len(self._received)
                if self._scanned > wire.MOST_BYTES:
                    self._refuse_and_close("read a request: the line is too long")
                return
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._scanned = 0
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            id, request = wire.decode(line)
        except wire.WireError as error:
            if error.id is None:
                self._refuse_and_close(f"read a request: {error}")
            else:
                self.refuse(error.id, f"read a request: {error}")
            return
        self._on_request(self, id, request)

    def _refuse_and_close(self, message: str) -> None:
        self.refuse(0, message)  # what the socket has no room for, a client that never reads will not miss
        self.close()

    def _flush(self) -> None:
        while self._outgoing:
            line, descriptors = self._outgoing[0]
            try:
                sent = self._socket.sendmsg([line], _rights(descriptors))
            except BlockingIOError:
                break
            except OSError:
                self.close()
                return
            _close_all(descriptors)
            self._unread -= sent
            if sent == len(line):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = line[sent:], ()
        events = READABLE | (WRITABLE if self._outgoing else 0)
        if events != self._events:
            self._events = events
            self._loop.change(self._socket.fileno(), events)


def _rights(descriptors: tuple[int, ...]) -> list[tuple[int, int, array.array[int]]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []


def _close_all(descriptors: tuple[int, ...]) -> None:
    for fd in descriptors:
        os.close(fd)
