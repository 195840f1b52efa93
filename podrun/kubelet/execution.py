"""Runs a command in a container for the kubelet itself, for probes and hooks: a client of the shim like any other.

The command is bound to the connection: whoever cancels, by a timeout or by dying, ends it and all its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.kubelet import shims
from podrun.probe.outcomes import MOST_OUTPUT, Errored, Failed, Outcome, Succeeded
from podrun.shim import wire
from podrun.shim.messages import Exec, ExecEnded, ExecStarted, Refused

Prepare = Callable[[str, tuple[str, ...]], Awaitable[tuple[str, str]]]
"""Container and argv to the shim's socket and a one-time token; stdout and stderr are asked for, stdin is not."""

_CHUNK = 64 << 10  # bytes; what a pipe holds
_UNHURRIED = 0.02  # seconds between reads of what is thrown away, lest endless output keeps the kubelet busy


@dataclass(frozen=True, slots=True)
class Finished:
    code: int  # 128 + N for signal N
    output: bytes  # the first MOST_OUTPUT bytes of stdout and stderr, as they came


class NotRun(PodrunError):
    """The command did not start, or nobody knows how it ended."""


async def run(prepare: Prepare, container: str, argv: tuple[str, ...]) -> Finished:
    """How the command ended. Raises NotRun. What it leaves running in the background is not waited for."""
    try:
        path, token = await prepare(container, argv)
    except PodrunError as error:
        raise NotRun(str(error)) from error
    try:
        with _Session(_connect(path)) as session:
            return await session.run(token)
    except OSError as error:
        raise NotRun(f"cannot reach the shim: {error.strerror}") from error


async def probe(prepare: Prepare, container: str, argv: tuple[str, ...], timeout: float) -> Outcome:
    """The exec probe: `timeout` seconds, then the command and its children are killed (pkg/probe/exec)."""
    try:
        async with asyncio.timeout(timeout):
            finished = await run(prepare, container, argv)
    except TimeoutError:
        return Failed(f'command timed out: "{" ".join(argv)}" timed out after {timeout:g}s')
    except NotRun as error:
        return Errored(str(error))
    output = finished.output.decode(errors="replace")
    return Succeeded(output) if finished.code == 0 else Failed(output)


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


class _Session:
    """One command: the connection, the pipes of its output, what came of both. Leaving it closes everything."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._received = b""
        self._pipes: dict[int, asyncio.TimerHandle | None] = {}
        self._output = bytearray()

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *exception: object) -> None:
        for pipe in tuple(self._pipes):
            self._close(pipe)
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    async def run(self, token: str) -> Finished:
        self._loop.add_reader(self._socket.fileno(), self._read_answers)
        self._socket.sendall(wire.encode(Exec(token, bound=True), 1))  # a new socket has room for it
        code = await self._ended
        for pipe in tuple(self._pipes):
            while self._read_some(pipe) and len(self._output) < MOST_OUTPUT:
                pass
        return Finished(code, bytes(self._output[:MOST_OUTPUT]))

    def _read_answers(self) -> None:
        try:
            received, pipes, _, _ = socket.recv_fds(self._socket, _CHUNK, 2, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            received, pipes = b"", []
        for pipe in pipes:
            os.set_blocking(pipe, False)
            self._pipes[pipe] = None
            self._loop.add_reader(pipe, self._read_output, pipe)
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
                pass
            case ExecEnded(code):
                if not self._ended.done():
                    self._ended.set_result(code)
            case Refused(text):
                self._fail(text)
            case _:
                self._fail(f"unexpected answer {type(message).__name__} to Exec")

    def _fail(self, reason: str) -> None:
        self._loop.remove_reader(self._socket.fileno())
        if not self._ended.done():
            self._ended.set_exception(NotRun(reason))

    def _read_output(self, pipe: int) -> None:
        self._pipes[pipe] = None
        if not self._read_some(pipe):
            return
        if len(self._output) >= MOST_OUTPUT:
            self._loop.remove_reader(pipe)
            self._pipes[pipe] = self._loop.call_later(_UNHURRIED, self._resume, pipe)

    def _resume(self, pipe: int) -> None:
        self._pipes[pipe] = None
        self._loop.add_reader(pipe, self._read_output, pipe)

    def _read_some(self, pipe: int) -> bool:
        """Whether something was there; the pipe is closed at its end."""
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._close(pipe)
            return False
        if len(self._output) < MOST_OUTPUT:
            self._output += chunk
        return True

    def _close(self, pipe: int) -> None:
        timer = self._pipes.pop(pipe)
        if timer is not None:
            timer.cancel()
        self._loop.remove_reader(pipe)
        with contextlib.suppress(OSError):
            os.close(pipe)
