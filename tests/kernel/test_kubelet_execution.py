"""Commands that the kubelet itself runs in containers, for probes and hooks, through a real shim."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from podrun.api import objects
from podrun.container.plan import LaunchPlan
from podrun.errors import PodrunError
from podrun.kubelet import execution, hooks, shim_session
from podrun.kubelet.execution import Finished
from podrun.probe.outcomes import MOST_OUTPUT, Errored, Failed, Succeeded
from podrun.shim import facts, messages
from tests import descriptors, wait
from tests.kernel.shim_client import Client, Pod
from tests.wait import wait_until

PATIENCE = wait.patient(60)  # seconds
SHORT = 0.5  # seconds, for what must time out

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(story, PATIENCE))


class Container:
    """A running container, and what the kubelet's worker does to prepare a command in it."""

    def __init__(self, shim: Client, pod: Pod) -> None:
        self.shim = shim
        self.pod = pod
        self.plan: LaunchPlan = pod.launch_plan("sleep", "1000")
        assert isinstance(shim.ask(messages.Launch(self.plan)), facts.Started)

    async def prepare(self, container: str, argv: tuple[str, ...]) -> tuple[str, str]:
        token = secrets.token_hex(8)
        answer = self.shim.ask(messages.PrepareExec(token, self.pod.exec_plan(self.plan, *argv)))
        if isinstance(answer, messages.Refused):
            raise PodrunError(answer.message)
        return str(self.pod.run_dir / "shim.sock"), token

    def sh(self, script: str) -> Finished:
        return run(execution.run(self.prepare, "main", ("sh", "-c", script)))

    def processes(self) -> int:
        return len(self.pod.group.child(self.plan.id).pids(tree=True))


@pytest.fixture
def container(shim: Client, pod: Pod) -> Container:
    return Container(shim, pod)


def test_code_and_output_come_back(container: Container) -> None:
    assert container.sh("echo out; exit 3") == Finished(3, b"out\n")
    assert container.sh("echo err >&2; kill -9 $$") == Finished(137, b"err\n")
    assert container.sh("true") == Finished(0, b"")


def test_stdin_is_empty(container: Container) -> None:
    assert container.sh("cat; echo end") == Finished(0, b"end\n")


def test_endless_output_is_cut_and_never_blocks_the_command(container: Container) -> None:
    finished = container.sh("head -c 500000 /dev/zero; echo done >&2; exit 4")
    assert (finished.code, finished.output) == (4, bytes(MOST_OUTPUT))


def test_what_stays_in_the_background_is_not_waited_for(container: Container) -> None:
    assert container.sh("echo up; sleep 1000 &") == Finished(0, b"up\n")
    assert container.processes() == 2


def test_many_run_at_once(container: Container) -> None:
    async def story() -> list[Finished]:
        argvs = [("sh", "-c", f"echo {n}; exit {n}") for n in range(20)]
        return await asyncio.gather(*(execution.run(container.prepare, "main", argv) for argv in argvs))

    assert run(story()) == [Finished(n, b"%d\n" % n) for n in range(20)]


def test_a_program_that_does_not_exist_did_not_run(container: Container) -> None:
    with pytest.raises(shim_session.NotRun, match="no-such-program"):
        run(execution.run(container.prepare, "main", ("no-such-program",)))
    outcome = run(execution.probe(partial(execution.run, container.prepare), "main", ("no-such-program",), PATIENCE))
    assert isinstance(outcome, Errored)


def test_a_container_that_has_ended_and_a_shim_that_is_gone_are_errors(container: Container) -> None:
    async def nowhere(name: str, argv: tuple[str, ...]) -> tuple[str, str]:
        return "/nowhere/shim.sock", "token"

    with pytest.raises(shim_session.NotRun, match="cannot reach the shim"):
        run(execution.run(nowhere, "main", ("true",)))
    container.shim.ask(messages.Kill("main", 0))
    container.shim.fact(facts.Exited)
    with pytest.raises(shim_session.NotRun, match="not running"):
        run(execution.run(container.prepare, "main", ("true",)))


def test_no_descriptor_is_left_open(container: Container) -> None:
    async def story() -> None:
        before = descriptors.count()
        for argv in (("true",), ("no-such-program",), ("sh", "-c", "sleep 1000 & echo up"), ("sleep", "1000")):
            await execution.probe(partial(execution.run, container.prepare), "main", argv, SHORT)
        assert descriptors.count() == before

    run(story())


def test_an_exec_probe_judges_by_the_exit_code(container: Container) -> None:
    def probe(script: str) -> object:
        return run(execution.probe(partial(execution.run, container.prepare), "main", ("sh", "-c", script), PATIENCE))

    assert probe("echo fine") == Succeeded("fine\n")
    assert probe("echo not yet; exit 1") == Failed("not yet\n")


def test_a_probe_that_hangs_is_a_failure_and_is_killed_with_its_children(container: Container) -> None:
    script = "trap '' TERM HUP; sleep 1000 & (sleep 1000 & sleep 1000) & wait"
    outcome = run(execution.probe(partial(execution.run, container.prepare), "main", ("sh", "-c", script), SHORT))
    assert outcome == Failed(f'command timed out: "sh -c {script}" timed out after 0.5s')
    wait_until(lambda: container.processes() == 1, "the main program alone")


def test_a_cancelled_command_is_killed(container: Container) -> None:
    async def story() -> None:
        task = asyncio.create_task(execution.run(container.prepare, "main", ("sleep", "1000")))
        while container.processes() < 2:
            await asyncio.sleep(0.01)
        task.cancel()

    run(story())
    wait_until(lambda: container.processes() == 1, "the main program alone")


class Hooked:
    """Hooks of a container whose pod has the address 127.0.0.1."""

    def __init__(self, container: Container, port: int = 0) -> None:
        spec = objects.Container(name="main", ports=(objects.ContainerPort(name="web", container_port=port),))
        self.place = hooks.HookPlace(spec, "web_default(1)", "127.0.0.1")
        self.container = container
        self.warnings: list[tuple[str, str]] = []

    async def run(self, **handler: Any) -> None:
        def emit(reason: str, message: str) -> None:
            self.warnings.append((reason, message))

        await hooks.carry_out(
            objects.LifecycleHandler(**handler), self.place, partial(execution.run, self.container.prepare), emit
        )


def test_a_command_of_a_hook_must_end_with_zero(container: Container) -> None:
    hooked = Hooked(container)
    run(hooked.run(exec=objects.ExecAction(command=("true",))))
    with pytest.raises(hooks.HookFailed) as caught:
        run(hooked.run(exec=objects.ExecAction(command=("sh", "-c", "echo no; exit 7"))))
    assert str(caught.value) == (
        'Exec lifecycle hook ([sh -c echo no; exit 7]) for Container "main" in Pod "web_default(1)" failed - '
        "error: command 'sh -c echo no; exit 7' exited with 7, message: \"no\n\""
    )
    with pytest.raises(hooks.HookFailed, match="no-such-program"):
        run(hooked.run(exec=objects.ExecAction(command=("no-such-program",))))


def test_a_sleep_ends_and_a_tcp_hook_is_an_error(container: Container) -> None:
    run(Hooked(container).run(sleep=objects.SleepAction(seconds=0)))
    with pytest.raises(hooks.HookFailed, match="Cannot run handler: invalid handler"):
        run(Hooked(container).run(tcp_socket=objects.TCPSocketAction(port=80)))


def answered(container: Container, scheme: str) -> tuple[list[bytes], list[tuple[str, str]]]:
    """What an HTTP server heard of an httpGet hook that it answers with 500, and the warnings about it."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(3)
        if first == b"GET":
            heard.append(first + await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def story() -> list[tuple[str, str]]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        hooked = Hooked(container, server.sockets[0].getsockname()[1])
        headers = (objects.HTTPHeader(name="X-A", value="1"), objects.HTTPHeader(name="Authorization", value="secret"))
        action = objects.HTTPGetAction(path="/bye", port="web", scheme=scheme, http_headers=headers)
        try:
            await hooked.run(http_get=action)
        finally:
            server.close()
        return hooked.warnings

    return heard, run(story())


def test_any_answer_to_a_hook_will_do(container: Container) -> None:
    heard, warnings = answered(container, "HTTP")
    assert heard[0].startswith(b"GET /bye HTTP/1.1\r\n")
    assert b"User-Agent: kube-lifecycle/1.33\r\n" in heard[0]
    assert b"X-A: 1\r\n" in heard[0]
    assert b"Authorization: secret\r\n" in heard[0]
    assert warnings == []


def test_https_to_a_plain_server_is_tried_again_in_plain_http_without_secrets(container: Container) -> None:
    heard, warnings = answered(container, "HTTPS")
    assert b"X-A: 1\r\n" in heard[-1]
    assert b"secret" not in heard[-1]
    assert [reason for reason, _ in warnings] == ["LifecycleHTTPFallback"]


def test_a_hook_that_nobody_answers_has_failed(container: Container) -> None:
    action = objects.HTTPGetAction(path="/bye", port="nothing")
    with pytest.raises(hooks.HookFailed, match="invalid syntax"):
        run(Hooked(container).run(http_get=action))
    with pytest.raises(hooks.HookFailed, match="connection refused"):
        run(Hooked(container).run(http_get=objects.HTTPGetAction(path="/bye", port=1)))
