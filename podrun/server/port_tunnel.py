"""kubectl's port-forward: SPDY in the messages of a WebSocket, a pair of streams for each connection into the pod.

A few pieces are kept, no more: a pod that does not read holds the client back, all of its connections, since SPDY as
kubectl speaks it has no flow control for each; a client that does not read holds back the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from podrun.api import status_errors
from podrun.errors import PodrunError
from podrun.server import context, hang_up, spdy

PROTOCOL = "SPDY/3.1+portforward.k8s.io"

_PIECE = 32 << 10  # bytes
_MOST_PIECES = 4  # of one connection that wait for the pod
_CLOSING = 2.0  # seconds

Dial = Callable[[int], Awaitable[socket.socket]]


async def serve(request: web.Request, pod: str, dial: Dial) -> web.StreamResponse:
    """Until the client has gone. `pod`: how errors call it. `dial` makes a non-blocking connection or a PodrunError."""
    tunnel = web.WebSocketResponse(protocols=(PROTOCOL,), compress=False, timeout=_CLOSING)
    ready = tunnel.can_prepare(request)
    if not ready.ok or ready.protocol is None:
        raise status_errors.bad_request(f"unable to upgrade: only the protocol {PROTOCOL} is spoken")
    await tunnel.prepare(request)
    with context.of(request).streaming(), contextlib.suppress(ConnectionError), hang_up.watched(request) as gone:
        await _Tunnel(tunnel, pod, dial).run(gone)
        await tunnel.close()
    return tunnel


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection; `pieces` are for the pod, None is the end of what the client says."""

    port: int
    data: int = 0
    error: int = 0
    pieces: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_MOST_PIECES))
    task: asyncio.Task[None] | None = None
    is_over: bool = False


class _Tunnel:
    def __init__(self, tunnel: web.WebSocketResponse, pod: str, dial: Dial) -> None:
        self._loop = asyncio.get_running_loop()
        self._tunnel = tunnel
        self._pod = pod
        self._dial = dial
        self._reader = spdy.Reader()
        self._writer = spdy.Writer()
        self._pairs: dict[str, _Pair] = {}  # by request id
        self._by_stream: dict[int, _Pair] = {}  # by that of the data

    async def run(self, gone: asyncio.Future[None]) -> None:
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({receiving, gone}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                receiving.result()
        finally:
            tasks = [receiving, *(pair.task for pair in self._pairs.values() if pair.task is not None)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        while True:
            message = await self._tunnel.receive()
            if message.type is not WSMsgType.BINARY:
                return
            try:
                for event in self._reader.feed(message.data):
                    await self._take(event)
            except spdy.SpdyError:
                return

    async def _take(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened(stream, headers):
                await self._open(stream, headers)
            case spdy.Data(stream, piece, is_last) if stream in self._by_stream:
                pair = self._by_stream[stream]
                if piece:
                    await self._hand_over(pair, piece)
                if is_last:
                    await self._hand_over(pair, None)
            case spdy.Reset(stream) if stream in self._by_stream:
                pair = self._by_stream[stream]
                if pair.task is not None:
                    pair.task.cancel()
            case spdy.Ping(id):
                await self._tunnel.send_bytes(spdy.pong(id))

    async def _hand_over(self, pair: _Pair, piece: bytes | None) -> None:
        if not pair.is_over:
            await pair.pieces.put(piece)

    async def _open(self, stream: int, headers: dict[str, str]) -> None:
        port, kind, id = headers.get("port", ""), headers.get("streamtype", ""), headers.get("requestid", "")
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16) or kind not in ("data", "error"):
            await self._tunnel.send_bytes(spdy.reset(stream))
            return
        pair = self._pairs.setdefault(id, _Pair(int(port)))
        if pair.task is not None:
            await self._tunnel.send_bytes(spdy.reset(stream))
            return
        if kind == "data":
            pair.data = stream
            self._by_stream[stream] = pair
        else:
            pair.error = stream
        await self._tunnel.send_bytes(self._writer.reply(stream))
        if pair.data and pair.error:
            pair.task = asyncio.create_task(self._forward(id, pair))

    async def _forward(self, id: str, pair: _Pair) -> None:
        """One connection, from its making to its end; the client learns of both."""
        try:
            try:
                connection = await self._dial(pair.port)
            except PodrunError as error:
                text = f"error forwarding port {pair.port} to pod {self._pod}: {error.message}"
                await self._tunnel.send_bytes(spdy.data(pair.error, text.encode()))
            else:
                with connection:
                    await self._copy(pair, connection)
            for stream in (pair.data, pair.error):
                await self._tunnel.send_bytes(spdy.data(stream, b"", is_last=True))
        except ConnectionError:  # the client is gone, as others notice
            pass
        finally:
            self._forget(id, pair)

    def _forget(self, id: str, pair: _Pair) -> None:
        """Who waits to hand a piece over need not wait any more."""
        pair.is_over = True
        del self._pairs[id], self._by_stream[pair.data]
        while not pair.pieces.empty():
            pair.pieces.get_nowait()

    async def _copy(self, pair: _Pair, connection: socket.socket) -> None:
        """Until the pod has said all; what it does not read any more is dropped."""
        writing = asyncio.create_task(self._write(pair, connection))
        try:
            with contextlib.suppress(OSError):
                while piece := await self._loop.sock_recv(connection, _PIECE):
                    await self._tunnel.send_bytes(spdy.data(pair.data, piece))
                    await asyncio.sleep(0)  # where both sides are fast, nothing else here would have its turn
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, pair: _Pair, connection: socket.socket) -> None:
        is_open = True
        while (piece := await pair.pieces.get()) is not None:
            if is_open:
                try:
                    await self._loop.sock_sendall(connection, piece)
                except OSError:
                    is_open = False
        if is_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
