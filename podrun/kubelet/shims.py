"""The kubelet's ends of its sockets: one link to each shim, and the fork server that makes shims.

A link knows requests, replies and the stream of facts; what any of it means for a pod is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from podrun.errors import PodrunError
from podrun.shim import wire
from podrun.shim.facts import Numbered
from podrun.shim.messages import Follow, Forked, ForkShim, Hello, Refused, Request, Welcome

Answer = TypeVar("Answer")

SUN_PATH_LIMIT = 107  # unix(7): longer socket paths are reached through their directory's descriptor


class LinkClosed(PodrunError):
    """The other end is gone; whether the request was carried out is not known."""

    def __init__(self) -> None:
        super().__init__("the shim is gone")


class Link:
    """One connection that speaks shim/messages.py. `on_fact` and `on_closed` are called from the event loop."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_fact: Callable[[Numbered], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_fact = on_fact
        self._on_closed = on_closed
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self.closed = False
        self._receiving = asyncio.create_task(self._receive())

    async def ask(self, request: Request, expected: type[Answer]) -> Answer:
        """The reply to `request`. PodrunError when it is refused, LinkClosed when there is none."""
        reply = await self.ask_any(request)
        if isinstance(reply, Refused):
            raise PodrunError(reply.message)
        if not isinstance(reply, expected):
            raise PodrunError(f"unexpected answer {type(reply).__name__} to {type(request).__name__}")
        return reply

    async def ask_any(self, request: Request) -> object:
        if self.closed:
            raise LinkClosed
        id = next(self._ids)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[id] = future
        self._writer.write(wire.encode(request, id))
        try:
            return await future
        finally:
            self._waiting.pop(id, None)

    def tell(self, request: Request) -> None:
        """Send without waiting for the answer."""
        if not self.closed:
            self._writer.write(wire.encode(request, 0))

    async def close(self) -> None:
        """Hang up, without on_closed."""
        self._on_closed = _nothing
        self._receiving.cancel()
        self._writer.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._receiving

    async def _receive(self) -> None:
        try:
            while line := await self._reader.readline():
                id, message = wire.decode(line)
                if isinstance(message, Numbered):
                    self._on_fact(message)
                elif (future := self._waiting.get(id)) is not None and not future.done():
                    future.set_result(message)
        except asyncio.CancelledError:
            self._on_closed = _nothing  # it is us who leave
            raise
        except (OSError, ValueError):
            pass  # as good as closed: what is not understood can't be trusted
        finally:
            self.closed = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LinkClosed())
            self._writer.close()
            self._on_closed()


def _nothing() -> None:
    pass


async def connect(
    path: Path, after: int, on_fact: Callable[[Numbered], None], on_closed: Callable[[], None]
) -> tuple[Link, Welcome]:
    """A link to the shim at `path`, all its facts above `after` on their way. OSError where nobody listens."""
    reader, writer = await _open(path)
    link = Link(reader, writer, on_fact, on_closed)
    try:
        welcome = await link.ask(Hello(), Welcome)
    except BaseException:
        await link.close()
        raise
    link.tell(Follow(after))
    return link, welcome


async def _open(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if len(os.fsencode(path)) <= SUN_PATH_LIMIT:
        return await asyncio.open_unix_connection(path, limit=wire.MOST_BYTES)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/{path.name}", limit=wire.MOST_BYTES)
    finally:
        os.close(directory)


class ForkServer:
    """The small interpreter that forks shims. It is started at the first need and again whenever it has died."""

    def __init__(self, log: int) -> None:
        self._log = log  # descriptor for its stderr
        self._link: Link | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def fork(self, request: ForkShim) -> Forked:
        """A shim that listens. Repeated once with a new fork server when the old one died over it."""
        for last_try in (False, True):
            link = await self._running()
            try:
                return await link.ask(request, Forked)
            except LinkClosed:
                if last_try:
                    raise PodrunError("cannot fork a shim: the fork server died") from None
        raise AssertionError

    async def _running(self) -> Link:
        async with self._starting:
            if self._link is None or self._link.closed:
                await self._start()
            assert self._link is not None
            return self._link

    async def start(self) -> None:
        """Have it ready before the first pod needs it."""
        await self._running()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            command = (sys.executable, "-I", "-m", "podrun.shim.fork_server", "--socket-fd", str(theirs.fileno()))
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env={},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=wire.MOST_BYTES)
        self._link = Link(reader, writer, lambda fact: None, _nothing)

    async def stop(self) -> None:
        """It leaves on end of file."""
        if self._link is not None:
            await self._link.close()
        if self._process is not None:
            await self._process.wait()
