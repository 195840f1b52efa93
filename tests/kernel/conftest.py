"""Fixtures of the kernel tests that several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.shim import facts, messages
from tests.kernel import shim_client
from tests.kernel.shim_client import Client, ForkServer, Pod
from tests.wait import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with shim_client.fork_server() as server:
        yield server
    # The children of a shim that was killed are left to init.
    wait_until(lambda: not shim_client.zombies(), "orphans to be reaped")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with shim_client.pod(tmp_path) as pod:
        yield pod


@pytest.fixture
def shim(server: ForkServer, pod: Pod) -> Iterator[Client]:
    """A client that follows a shim with a sandbox."""
    pod.fork(server)
    client = pod.connect()
    client.follow()
    assert isinstance(client.ask(messages.MakeSandbox(pod.sandbox_plan())), facts.SandboxStarted)
    yield client
    client.close()
