"""The client's half of exec and attach in the kubelet: shows the shim a token, gets outer ends, learns of the end."""

from __future__ import annotations

import asyncio
import os
import socket

from podrun.errors import PodrunError
from podrun.kubelet import shims
from podrun.shim import wire
from podrun.shim.messages import Exec, ExecEnded, ExecStarted, Refused

_MOST_DESCRIPTORS = 3
_PIECE = 64 << 10  # bytes


class NotRun(PodrunError):
    """The command did not start, or nobody knows how it ended."""


class Session:
    """One command, or one container attached to. Leaving it closes the connection and the ends.

    Raises OSError when made: the shim is not there.
    """

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = _connect(path)
        self._started: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        """The exit code; NotRun: nobody will know."""
        self.ends: list[int] = []
        """Outer ends that never block, in the order of shim/messages.py; whoever closes one takes it out."""
        self._received = b""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        for end in self.ends:
            self._loop.remove_reader(end)
            os.close(end)
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for future in (self._started, self.ended):
            if future.done() and not future.cancelled():
                future.exception()  # asked for, so that nobody complains about it
            future.cancel()

    async def start(self, request: Exec) -> None:
        """The ends are there when it returns. NotRun."""
        self._loop.add_reader(self._socket.fileno(), self._read_answers)
        self._socket.sendall(wire.encode(request, 1))  # a new socket has room for it
        await self._started

    def close(self, end: int) -> None:
        self._loop.remove_reader(end)
        self.ends.remove(end)
        os.close(end)

    def _read_answers(self) -> None:
        try:
            received, ends, _, _ = socket.recv_fds(self._socket, _PIECE, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            received, ends = b"", []
        for end in ends:
            os.set_blocking(end, False)
        self.ends += ends
        if not received:
            self._fail("the shim is gone")
            return
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            _, message = wire.decode(line)
        except wire.WireError as error:
            self._fail(str(error))
            return
        match message:
            case ExecStarted():
                if not self._started.done():
                    self._started.set_result(None)
            case ExecEnded(code):
                if not self.ended.done():
                    self.ended.set_result(code)
            case Refused(text):
                self._fail(text)
            case _:
                self._fail(f"unexpected answer {type(message).__name__} to Exec")

    def _fail(self, reason: str) -> None:
        self._loop.remove_reader(self._socket.fileno())
        for future in (self._started, self.ended):
            if not future.done():
                future.set_exception(NotRun(reason))


def _connect(path: str) -> socket.socket:
    """Never blocks: where too many wait already, it fails with EAGAIN."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if len(os.fsencode(path)) <= shims.SUN_PATH_LIMIT:
            sock.connect(path)
            return sock
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)
        return sock
    except BaseException:
        sock.close()
        raise
