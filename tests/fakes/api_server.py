"""The real API server on a real unix socket, over a real store, with a fake kubelet behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from podrun.api import objects
from podrun.paths import Paths
from podrun.server import app, listen
from podrun.store import Store
from tests import wait
from tests.fakes.node_agent import FakeAgent

NOW = 1_800_000_000.0
PODS = "/api/v1/namespaces/default/pods"
PATIENCE = wait.patient(20)  # seconds


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    store: Store
    agent: FakeAgent
    session: aiohttp.ClientSession
    address: str
    directory: Path

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """`body`: bytes as they are, anything else as JSON. Headers are given with underscores."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {"Content-Type": "application/json"} if body is not None else {}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, f"http://podrun{path}", data=sent, headers=named) as response:
            return Answer(response.status, response.headers, await response.read())

    async def raw(self, request: bytes) -> bytes:
        """What comes back until the server closes."""
        reader, writer = await asyncio.open_unix_connection(self.address)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[aiohttp.StreamReader]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(f"http://podrun{path}", headers=named) as response:
            assert response.status == 200, await response.read()
            yield response.content

    async def set_status(self, name: str, status: objects.PodStatus, node: str = "here") -> objects.Pod:
        """What the kubelet would do."""

        def change(pod: objects.Pod) -> objects.Pod:
            spec = msgspec.structs.replace(pod.spec, node_name=node)
            return msgspec.structs.replace(pod, status=status, spec=spec)

        return await self.store.update(objects.Pod, "default", name, change, durable=False)


def play(directory: Path, scenario: Callable[[Api], Awaitable[None]]) -> None:
    """Run a scenario against a server of its own."""

    async def whole() -> None:
        async with asyncio.timeout(PATIENCE), serving(directory) as api:
            await scenario(api)

    asyncio.run(whole())


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Api]:
    store = Store.open(directory / "podrun.db", clock=lambda: NOW)
    agent = FakeAgent(directory / "logs")
    await store.create(objects.Namespace(metadata=objects.ObjectMeta(name="default")))
    socket = directory / "run" / "podrun.sock"
    runner = await listen.serve(app.make_app(store, agent, Paths(), clock=lambda: NOW), socket)
    opened = os.open(socket.parent, os.O_PATH)
    address = f"/proc/self/fd/{opened}/{socket.name}"
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(address)) as session:
            yield Api(store, agent, session, address, directory)
    finally:
        await runner.cleanup()
        store.close()
        os.close(opened)


def pod(name: str = "web", **labels: str) -> dict[str, Any]:
    """A manifest of a pod with one container."""
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "main", "image": "busybox:1"}]},
    }


def running(*, restarts: int = 0) -> objects.PodStatus:
    state = objects.ContainerState(running=objects.ContainerStateRunning(started_at="2027-01-15T07:59:00Z"))
    last = ended().state if restarts else objects.ContainerState()
    status = objects.ContainerStatus(
        name="main", state=state, last_state=last, restart_count=restarts, container_id="podrun://1", ready=True
    )
    return objects.PodStatus(phase="Running", container_statuses=(status,))


def ended(restarts: int = 0) -> objects.ContainerStatus:
    state = objects.ContainerState(terminated=objects.ContainerStateTerminated(container_id="podrun://1"))
    return objects.ContainerStatus(name="main", state=state, restart_count=restarts, container_id="podrun://1")


def succeeded() -> objects.PodStatus:
    return objects.PodStatus(phase="Succeeded", container_statuses=(ended(),))
