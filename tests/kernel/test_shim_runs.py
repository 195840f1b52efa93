"""A real fork server, shim and containers: starting, ending, and what is told about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.shim import facts, messages
from tests.kernel import shim_client
from tests.kernel.shim_client import Client, ForkServer, Pod


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with shim_client.fork_server() as server:
        yield server


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


def test_a_container_runs_and_its_exit_code_and_output_are_told(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "echo hello; echo oops >&2; exit 3")
    started = shim.ask(messages.Launch(plan))
    assert isinstance(started, facts.Started), started
    exited = shim.fact(facts.Exited)
    assert (exited.container, exited.code, exited.signal, exited.oom_killed) == ("main", 3, 0, False)
    assert set(pod.log(plan).split(b"\n")) == {b"hello", b"oops", b""}
    assert not pod.group.child(plan.id).exists()
