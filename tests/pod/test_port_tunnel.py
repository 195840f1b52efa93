"""port-forward through a WebSocket, as kubectl speaks it, on the kubelet's own socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable

import pytest

from podrun.server import spdy
from podrun.server.port_tunnel import PROTOCOL
from tests import spdy_client, wait, websockets
from tests.pod import manifests
from tests.pod.instance import NAMESPACE, Instance

POD = "tunnelled"
PORT = "7000"


@pytest.fixture(scope="module")
def target(node: Instance) -> Instance:
    """With a pod that sends back whatever it gets."""
    echo = manifests.busybox(script=f"exec nc -ll -p {PORT} -e cat")
    node.apply(manifests.pod(POD, echo, terminationGracePeriodSeconds=0), wait=True)
    listening = ["grep", "-q", f":{int(PORT):04X} ", "/proc/net/tcp", "/proc/net/tcp6"]
    wait.wait_until(lambda: node.exec(POD, *listening, check=False).returncode == 0, "nc to listen", step=0.1)
    return node


class Tunnel:
    def __init__(self, socket: websockets.Socket) -> None:
        self._socket = socket
        self._frames = spdy_client.Frames()
        self._received = b""

    async def open(self, id: int, port: str) -> tuple[int, int]:
        """The streams of errors and of data."""
        headers = {"port": port, "requestid": str(id)}
        error, data = 4 * id + 1, 4 * id + 3
        await self._socket.send_bytes(self._frames.open(error, {**headers, "streamtype": "error"}))
        await self._socket.send_bytes(self._frames.open(data, {**headers, "streamtype": "data"}))
        return error, data

    async def send(self, frame: bytes) -> None:
        await self._socket.send_bytes(frame)

    async def said(self, streams: set[int]) -> dict[int, bytes]:
        """All that comes on these streams until they have ended; what the server controls is skipped."""
        said, open_ = dict.fromkeys(streams, b""), set(streams)
        while open_:
            first, second = struct.unpack(">II", await self._take(8))
            content = await self._take(second & 0xFFFFFF)
            if first in open_:
                said[first] += content
                open_ -= {first} if second >> 24 else set()
        return said

    async def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._received += await self._socket.receive_bytes()
        taken, self._received = self._received[:size], self._received[size:]
        return taken


def play(story: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(story, wait.patient(60)))


@pytest.mark.vm
def test_connections_share_a_tunnel_and_end_on_their_own(target: Instance) -> None:
    async def story() -> None:
        path = f"{NAMESPACE}/pods/{POD}/portforward"
        async with websockets.opened(target.paths.socket, path, PROTOCOL) as socket:
            tunnel = Tunnel(socket)
            one_error, one = await tunnel.open(0, PORT)
            other_error, other = await tunnel.open(1, PORT)
            sent = bytes(range(256)) * 2048
            await tunnel.send(spdy.data(other, b"few bytes", is_last=True))
            assert await tunnel.said({other, other_error}) == {other: b"few bytes", other_error: b""}
            sending = asyncio.create_task(send_pieces(tunnel, one, sent))
            assert await tunnel.said({one, one_error}) == {one: sent, one_error: b""}
            await sending
            error, data = await tunnel.open(2, "1")
            said = await tunnel.said({error, data})
            assert b"error forwarding port 1 to pod tunnelled, uid " in said[error]
            assert b"cannot connect to port 1 inside the pod: connection refused" in said[error]

    play(story())


async def send_pieces(tunnel: Tunnel, stream: int, content: bytes) -> None:
    size = 1 << 14
    for start in range(0, len(content), size):
        await tunnel.send(spdy.data(stream, content[start : start + size]))
    await tunnel.send(spdy.data(stream, b"", is_last=True))
