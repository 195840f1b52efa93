"""The table of deaths: kill -9 of fork server, shim, pause and client, and what then is true."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from podrun.container.plan import Bind, NamespaceMode
from podrun.shim import facts, messages
from tests.kernel import shim_client
from tests.kernel.shim_client import BOOT_ID, Client, ForkServer, Pod
from tests.wait import wait_until


def test_the_fork_servers_death_is_nothing_to_shims_and_containers(pod: Pod) -> None:
    with shim_client.fork_server() as doomed:
        pid = pod.fork(doomed)
        shim = pod.connect()
        shim.follow()
        shim.ask(messages.MakeSandbox(pod.sandbox_plan()))
        shim.ask(messages.Launch(pod.launch_plan("sleep", "1000")))
        doomed.kill()
        assert shim.ask(messages.Hello()).pid == pid
        assert isinstance(shim.ask(messages.Launch(pod.launch_plan("true", container="more"))), facts.Started)
        assert shim.fact(facts.Exited, container="more").code == 0
    with shim_client.fork_server() as next_one:
        assert isinstance(next_one.client.ask(pod.fork_request()), messages.Refused)
    shim.ask(messages.Signal("main", 0, signal.SIGKILL))
    assert shim.fact(facts.Exited, container="main").code == 137
    shim.close()


def test_the_fork_server_leaves_when_its_kubelet_is_gone(pod: Pod) -> None:
    with shim_client.fork_server() as server:
        pod.fork(server)
        assert server.leave() == 0
        shim = pod.connect()
        assert isinstance(shim.ask(messages.Hello()), messages.Welcome)
        shim.close()


@pytest.mark.parametrize("pid", [NamespaceMode.PRIVATE, NamespaceMode.POD, NamespaceMode.HOST])
def test_the_shims_death_ends_the_pod_and_the_next_one_tells(server: ForkServer, pod: Pod, pid: NamespaceMode) -> None:
    shim_pid = pod.fork(server)
    shim = pod.connect()
    shared = NamespaceMode.POD if pid is NamespaceMode.POD else NamespaceMode.PRIVATE
    shim.ask(messages.MakeSandbox(pod.sandbox_plan(pid=shared)))
    for name in ("web", "db"):
        plan = pod.launch_plan("sh", "-c", "sleep 1000 & sleep 1000", container=name, pid=pid)
        assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    before = pod.facts()
    shim_client.end(shim_pid)
    assert pod.facts() == before

    pod.fork_when_free(server)
    shim = pod.connect()
    shim.follow(after=3)
    for name in ("web", "db"):
        exited = shim.fact(facts.Exited, container=name)
        assert (exited.code, exited.lost) == (137, True)
    shim.fact(facts.SandboxEnded, attempt=1)
    assert [numbered.n for numbered in shim.facts] == [4, 5, 6]
    assert not pod.group.populated()
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started), "from the journal"
    assert isinstance(shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=2))), facts.SandboxStarted)
    plan = pod.launch_plan("true", container="db", attempt=1)
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    assert not shim.fact(facts.Exited, attempt=1).lost
    shim.close()


def test_a_shim_that_dies_while_starting_never_lets_an_attempt_run_twice(server: ForkServer, pod: Pod) -> None:
    chance = random.Random(3)
    ran = pod.directory / "ran"
    ran.mkdir()
    sandboxes = itertools.count(1)
    outcomes = set()
    pid = pod.fork(server)
    for attempt in range(30):
        shim = pod.connect()
        shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=next(sandboxes))))
        plan = pod.launch_plan("sh", "-c", f"echo x >> /ran/{attempt}; sleep 1000", attempt=attempt)
        plan = replace(plan, mounts=(*plan.mounts, Bind(str(ran), "/ran")))
        shim.send(messages.Launch(plan))
        time.sleep(chance.random() * 0.012)
        shim_client.end(pid)
        shim.close()

        pid = pod.fork_when_free(server)
        shim = pod.connect()
        sandbox = messages.MakeSandbox(pod.sandbox_plan(attempt=next(sandboxes)))
        wait_until(lambda: isinstance(shim.ask(sandbox), facts.SandboxStarted), "the end of what was lost")  # noqa: B023
        before = [fact for fact in pod.facts() if isinstance(fact, facts.Exited) and fact.attempt == attempt]
        again = shim.ask(messages.Launch(plan))
        assert sum(isinstance(fact, facts.Started) and fact.attempt == attempt for fact in pod.facts()) <= 1
        outcomes.add((bool(before), type(again)))
        shim.ask(messages.Leave())
        pid = pod.fork_when_free(server)
        shim.close()
    # Empty: killed between the opening of the file and the writing of the line.
    assert all(path.read_text() in ("", "x\n") for path in ran.iterdir())
    assert outcomes <= {(True, messages.Refused), (True, facts.Started), (False, facts.Started)}


def test_the_end_of_pause_is_told_and_another_sandbox_can_follow(shim: Client, pod: Pod) -> None:
    shim.ask(messages.Launch(pod.launch_plan("sleep", "1000")))
    shim_client.end(shim.fact(facts.SandboxStarted).pid)
    assert shim.fact(facts.SandboxEnded).attempt == 1
    refused = shim.ask(messages.Launch(pod.launch_plan("true", container="late")))
    assert isinstance(refused, messages.Refused)
    refused = shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=1)))
    assert isinstance(refused, messages.Refused)
    assert "attempt 1 has ended already" in refused.message
    refused = shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=2)))
    assert isinstance(refused, messages.Refused)
    assert '"main" still runs' in refused.message
    shim.ask(messages.Kill("main", 0))
    shim.fact(facts.Exited)
    assert isinstance(shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=2))), facts.SandboxStarted)
    assert isinstance(shim.ask(messages.Launch(pod.launch_plan("true", attempt=1))), facts.Started)


@pytest.mark.parametrize("pid", [NamespaceMode.PRIVATE, NamespaceMode.POD])
def test_who_asks_while_pause_is_dying_is_answered_after_its_end_is_told(
    server: ForkServer, pod: Pod, pid: NamespaceMode
) -> None:
    """With a PID namespace of the pod, pause takes all others with it, and is there until the shim has reaped them."""
    shim_pid = pod.fork(server)
    shim = pod.connect()
    shim.follow()
    pause = shim.ask(messages.MakeSandbox(pod.sandbox_plan(pid=pid))).pid
    shim.ask(messages.Launch(pod.launch_plan("sleep", "1000", pid=pid)))
    os.kill(shim_pid, signal.SIGSTOP)
    os.kill(pause, signal.SIGKILL)
    wait_until(lambda: not namespaces_of(pause), "pause to be on its way")
    asked = shim.send(messages.Launch(pod.launch_plan("true", container="late", pid=pid)))
    os.kill(shim_pid, signal.SIGCONT)
    refused = shim.reply(asked)
    assert isinstance(refused, messages.Refused), refused
    assert any(isinstance(numbered.fact, facts.SandboxEnded) for numbered in shim.facts)
    assert not any(isinstance(fact, facts.StartFailed) for fact in pod.facts())
    shim.ask(messages.Kill("main", 0))
    shim.fact(facts.Exited, container="main")
    assert isinstance(shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=2))), facts.SandboxStarted)
    assert isinstance(shim.ask(messages.Launch(pod.launch_plan("true", container="late"))), facts.Started)
    shim.close()


def namespaces_of(pid: int) -> bool:
    try:
        return bool(os.readlink(f"/proc/{pid}/ns/net"))
    except OSError:
        return False


def test_a_client_that_goes_at_any_time_changes_nothing(server: ForkServer, pod: Pod) -> None:
    """Each command is sent by a client that vanishes at once, and repeated by the next, as after a kubelet's death."""
    pod.fork(server)
    plans = [pod.launch_plan("sh", "-c", f"echo x; exit {n}", attempt=n) for n in range(20)]
    for n, plan in enumerate(plans):
        for request in (messages.MakeSandbox(pod.sandbox_plan()), messages.Launch(plan)):
            for _ in range(3):
                hasty = pod.connect()
                hasty.send(request)
                hasty.close()
            shim = pod.connect()
            assert isinstance(shim.ask(request), facts.SandboxStarted | facts.Started)
            shim.close()
        shim = pod.connect()
        shim.follow()
        assert shim.fact(facts.Exited, attempt=n).code == n
        shim.close()
    assert all(pod.log(plan) == b"x\n" for plan in plans)
    assert len(pod.facts()) == 1 + 2 * len(plans)


def test_another_boots_journal_means_nothing(server: ForkServer, pod: Pod) -> None:
    header = f'{{"boot_id": "{BOOT_ID[::-1]}", "version": 1}}\n'
    Path(pod.run_dir / "journal").write_text(header + "what a later version may have written\n")
    pod.fork(server)
    shim = pod.connect()
    assert shim.ask(messages.Hello()).last == 0
    shim.close()


def test_a_broken_journal_is_a_refusal_that_says_so(server: ForkServer, pod: Pod) -> None:
    Path(pod.run_dir / "journal").write_text(f'{{"boot_id": "{BOOT_ID}", "version": 1}}\nhello\n')
    refused = server.client.ask(pod.fork_request())
    assert isinstance(refused, messages.Refused)
    assert "journal" in refused.message
    assert not pod.shim_group.exists()
