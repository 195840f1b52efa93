"""exec and attach over WebSockets, as kubectl speaks them, on the kubelet's own socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from podrun.server.channels import CLOSE, ERROR, PROTOCOLS, RESIZE, STDERR, STDIN, STDOUT
from tests import leaks, wait, websockets
from tests.pod import manifests
from tests.pod.instance import NAMESPACE, Instance
from tests.websockets import Socket

POD = "remote"
V5, V4 = PROTOCOLS
BIG = 64 << 10


@pytest.fixture(scope="module")
def target(node: Instance) -> Instance:
    script = "read line; echo got $line; read line; exit 5"
    interactive = manifests.busybox("interactive", script, stdin=True)
    node.apply(manifests.pod(POD, manifests.busybox(), interactive, restartPolicy="Never"), wait=True)
    return node


@contextlib.asynccontextmanager
async def opened(
    target: Instance, verb: str, *command: str, protocol: str = V5, **options: Any
) -> AsyncIterator[Socket]:
    query = [("command", word) for word in command]
    query += [(name, str(value).lower()) for name, value in {"container": "main", "stdout": True, **options}.items()]
    path = f"{NAMESPACE}/pods/{POD}/{verb}"
    async with websockets.opened(target.paths.socket, path, protocol, query) as socket:
        yield socket


async def heard(socket: Socket) -> dict[int, bytes]:
    """Everything on each channel, until the server closes."""
    said: dict[int, bytes] = {}
    async for message in socket:
        said[message.data[0]] = said.get(message.data[0], b"") + message.data[1:]
    return said


async def expect(socket: Socket, text: bytes) -> None:
    shown = b""
    while text not in shown:
        message = await socket.receive_bytes()
        assert message[0] == STDOUT, message
        shown += message[1:]


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait.wait_until, condition, what)


def play(story: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(story, wait.patient(60)))


@pytest.mark.vm
def test_streams_and_exit_code_have_channels_of_their_own(target: Instance) -> None:
    async def story() -> None:
        sent = bytes(range(256)) * 4096
        script = "cat; echo err >&2; exit 3"
        async with opened(target, "exec", "sh", "-c", script, stdin=True, stderr=True) as socket:
            for start in range(0, len(sent), BIG):
                await socket.send_bytes(bytes([STDIN]) + sent[start : start + BIG])
            await socket.send_bytes(bytes([CLOSE, STDIN]))
            said = await heard(socket)
        assert said[STDOUT] == sent
        assert said[STDERR] == b"err\n"
        assert json.loads(said[ERROR])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        async with opened(target, "exec", "echo", "out", protocol=V4) as socket:
            said = await heard(socket)
        assert (said[STDOUT], json.loads(said[ERROR])["status"]) == (b"out\n", "Success")
        async with opened(target, "exec", "no-such-program") as socket:
            status = json.loads((await heard(socket))[ERROR])
        assert status["reason"] == "InternalError"
        assert "error executing command in container" in status["message"]
        assert '"no-such-program"' in status["message"]

    play(story())


def test_a_terminal_begins_with_the_clients_size_follows_it_and_hangs_up_with_it(target: Instance) -> None:
    async def story() -> None:
        script = "trap 'touch /tmp/hung-up; exit' HUP; stty size; read line; stty size; while true; do sleep 0.1; done"
        async with opened(target, "exec", "sh", "-c", script, stdin=True, tty=True) as socket:
            await socket.send_bytes(bytes([RESIZE]) + b'{"Width":77,"Height":33}')
            await expect(socket, b"33 77")
            await socket.send_bytes(bytes([RESIZE]) + b'{"Width":99,"Height":44}')
            await socket.send_bytes(bytes([STDIN]) + b"\n")
            await expect(socket, b"44 99")
        await until(lambda: exists(target, "/tmp/hung-up"), "the shell to get SIGHUP")

    play(story())


def connection(socket: Socket) -> asyncio.Transport:
    transport: asyncio.Transport = socket._response.connection.transport  # type: ignore[union-attr, assignment]
    return transport


def vanish(socket: Socket) -> None:
    """Without a word."""
    connection(socket).abort()


def exists(target: Instance, path: str) -> bool:
    return target.exec(POD, "test", "-e", path, container="main", check=False).returncode == 0


def test_attach_writes_to_the_main_program_and_ends_with_it(target: Instance) -> None:
    async def story() -> None:
        async with opened(target, "attach", container="interactive", stdin=True, stderr=True) as socket:
            await socket.send_bytes(bytes([STDIN]) + b"typed\n")
            await expect(socket, b"got typed\n")
            await socket.send_bytes(bytes([STDIN]) + b"end\n")
            said = await heard(socket)
        assert json.loads(said[ERROR])["status"] == "Success"  # its code is in the pod's status

    play(story())


def test_a_client_that_vanishes_hangs_up_though_all_pipes_are_full(target: Instance) -> None:
    async def story() -> None:
        script = "trap 'touch /tmp/told; exit' HUP; stty raw; echo ready; while true; do sleep 0.1; done"
        async with opened(target, "exec", "sh", "-c", script, stdin=True, tty=True) as socket:
            await expect(socket, b"ready")
            with contextlib.suppress(TimeoutError):
                while True:  # until nobody takes any more
                    await asyncio.wait_for(socket.send_bytes(bytes([STDIN]) + bytes(BIG)), 1)
            vanish(socket)
            await until(lambda: exists(target, "/tmp/told"), "SIGHUP for the command")

    play(story())


def test_a_client_that_does_not_read_holds_the_command_back_and_costs_no_memory(target: Instance) -> None:
    assert target.kubelet is not None
    kubelet = target.kubelet.pid

    def written() -> int:
        (pid,) = (pid for pid in target.container_pids(target.pod(POD)) if leaks.text(pid, "comm") == "yes\n")
        return int(leaks.text(pid, "io").split("wchar: ")[1].split()[0])

    def is_held_back() -> bool:
        before = written()
        time.sleep(0.5)
        return 0 < before == written()

    async def story() -> None:
        async with opened(target, "exec", "yes") as socket:
            await expect(socket, b"y\n")
            before = resident(kubelet)
            connection(socket).pause_reading()
            await until(is_held_back, "the command to be held back")
            assert written() < 16 << 20
            assert resident(kubelet) < before + (4 << 20)
            vanish(socket)

    play(story())


def resident(pid: int) -> int:
    """Bytes."""
    return int(leaks.text(pid, "status").split("VmRSS:")[1].split()[0]) << 10


def test_what_is_no_websocket_of_these_protocols_is_told_so(target: Instance) -> None:
    async def story() -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with opened(target, "exec", "true", protocol="v3.channel.k8s.io"):
                raise AssertionError
        assert refused.value.status == 400

    play(story())
