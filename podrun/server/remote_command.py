"""exec and attach over a WebSocket: between its channels and the outer ends that the pod's shim hands out.

At most one piece of each stream is held here. A client that does not read holds the command back, as a terminal would;
a command that does not read holds the client back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from podrun.api import status_errors
from podrun.errors import PodrunError
from podrun.kubelet.shim_session import Session
from podrun.server import channels, context, hang_up
from podrun.server.node_agent import ExecTicket
from podrun.shim.messages import Exec

_PIECE = 32 << 10  # bytes
_MOST_AFTER_THE_END = 1 << 20  # bytes; as much as a pipe can hold, pipe(7)
_FIRST_SIZE = 2.0  # seconds in which a client with a terminal tells its size before the command is started
_CLOSING = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """`what` is done, for error messages; `passes_code`: the command's exit code is the client's to know."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    what: str
    passes_code: bool


def is_asked_for(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def serve(request: web.Request, ticket: ExecTicket, wanted: Wanted) -> web.StreamResponse:
    """Until the command has ended or the client has gone, which hangs up. StatusError: nothing has begun."""
    socket = web.WebSocketResponse(protocols=channels.PROTOCOLS, compress=False, timeout=_CLOSING)
    _check_protocol(request, socket)
    await socket.prepare(request)
    with context.of(request).streaming(), contextlib.suppress(ConnectionError):
        first = channels.STDOUT if wanted.stdout else channels.STDERR if wanted.stderr else channels.ERROR
        await socket.send_bytes(channels.message(first))  # the client waits for a sign of life
        with hang_up.watched(request) as gone:
            try:
                last = await _run(socket, ticket, wanted, gone)
            except (PodrunError, OSError) as error:
                if isinstance(error, ConnectionError):
                    raise
                text = f"error {wanted.what} container: {error}"
                last = channels.failed(status_errors.internal_error(text).status())
            await socket.send_bytes(last)
        await socket.close()
    return socket


def _check_protocol(request: web.Request, socket: web.WebSocketResponse) -> None:
    ready = socket.can_prepare(request)
    if not ready.ok or ready.protocol is None:
        asked = request.headers.get("Sec-WebSocket-Protocol", "")
        message = f"requested protocol(s) are not supported: [{asked}]; supports [{' '.join(channels.PROTOCOLS)}]"
        raise status_errors.bad_request(message)


async def _run(socket: web.WebSocketResponse, ticket: ExecTicket, wanted: Wanted, gone: asyncio.Future[None]) -> bytes:
    """The last message. PodrunError, OSError: there is no exit code. ConnectionError: the client is gone."""
    first = await _first_message(socket) if wanted.tty and wanted.stdin else None
    size = first if isinstance(first, channels.Resize) else channels.Resize(0, 0)
    with Session(ticket.socket) as session:
        await session.start(Exec(ticket.token, rows=size.rows, columns=size.columns))
        code = await _Copying(socket, session, wanted).run(first, gone)
    return channels.ended(code if wanted.passes_code else 0)


Message = channels.Input | channels.EndOfInput | channels.Resize


async def _first_message(socket: web.WebSocketResponse) -> Message | None:
    """So a program finds its terminal in the right size; who says nothing gets one without."""
    try:
        return await _receive(socket, _FIRST_SIZE)
    except TimeoutError:
        return None


async def _receive(socket: web.WebSocketResponse, timeout: float | None = None) -> Message | None:
    """ConnectionError: there is nothing more."""
    message = await socket.receive(timeout)
    match message.type:
        case WSMsgType.BINARY | WSMsgType.TEXT:
            data = message.data
            return channels.parse(data.encode() if isinstance(data, str) else bytes(data))
        case _:
            raise ConnectionResetError


class _Copying:
    def __init__(self, socket: web.WebSocketResponse, session: Session, wanted: Wanted) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._session = session
        self._input, self._outputs = _ends(session, wanted)
        self._terminal = session.ends[0] if wanted.tty and session.ends else None

    async def run(self, first: Message | None, gone: asyncio.Future[None]) -> int:
        """The exit code, when all that the command wrote was sent."""
        ended = self._session.ended
        tasks = [asyncio.create_task(self._copy(end, channel)) for end, channel in self._outputs.items()]
        tasks.append(asyncio.create_task(self._listen(first)))
        try:
            running: set[asyncio.Future[Any]] = {ended, gone, *tasks}
            while not ended.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                if gone in done:
                    raise ConnectionResetError
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        code = ended.result()
        for end, channel in self._outputs.items():
            await self._drain(end, channel)
        return code

    async def _copy(self, end: int, channel: int) -> None:
        while True:
            await self._ready(end, self._loop.add_reader, self._loop.remove_reader)
            piece = _read(end)
            if piece == b"":
                return
            if piece:
                await self._socket.send_bytes(channels.message(channel, piece))

    async def _drain(self, end: int, channel: int) -> None:
        """What the command wrote before it ended is there. What it left running may hold the end open, and write on."""
        sent = 0
        while sent < _MOST_AFTER_THE_END and (piece := _read(end)):
            await self._socket.send_bytes(channels.message(channel, piece))
            sent += len(piece)

    async def _listen(self, first: Message | None) -> None:
        await self._take(first)
        while True:
            await self._take(await _receive(self._socket))

    async def _take(self, message: Message | None) -> None:
        match message:
            case channels.Input(data):
                await self._write(memoryview(data))
            case channels.EndOfInput():
                self._end_input()
            case channels.Resize(rows, columns) if self._terminal is not None:
                with contextlib.suppress(OSError, termios.error):  # the container has none
                    termios.tcsetwinsize(self._terminal, (rows, columns))

    async def _write(self, data: memoryview) -> None:
        while data and self._input is not None:
            try:
                data = data[os.write(self._input, data) :]
            except BlockingIOError:
                await self._ready(self._input, self._loop.add_writer, self._loop.remove_writer)
            except OSError:  # EPIPE, EIO: nobody reads that any more
                self._end_input()

    def _end_input(self) -> None:
        """A terminal stays open as long as it is shown."""
        if self._input is not None and self._input != self._terminal:
            self._session.close(self._input)
        self._input = None

    async def _ready(
        self, end: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]
    ) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()

        def wake() -> None:
            if not waiting.done():
                waiting.set_result(None)

        add(end, wake)
        try:
            await waiting
        finally:
            remove(end)


def _ends(session: Session, wanted: Wanted) -> tuple[int | None, Mapping[int, int]]:
    """Where stdin goes, and the channels of what is read. The one end of a terminal of exec is for both ways."""
    ends = list(session.ends)
    if wanted.tty and len(ends) == 1:
        return (ends[0] if wanted.stdin else None), ({ends[0]: channels.STDOUT} if wanted.stdout else {})
    into = ends.pop(0) if wanted.stdin and ends else None
    asked = [channels.STDOUT] * wanted.stdout + [channels.STDERR] * wanted.stderr
    return into, dict(zip(ends, asked, strict=False))


def _read(end: int) -> bytes | None:
    """Nothing at the end of the stream; None: nothing is there now."""
    try:
        return os.read(end, _PIECE)
    except BlockingIOError:
        return None
    except OSError:  # EIO: nobody has the terminal open any more
        return b""
