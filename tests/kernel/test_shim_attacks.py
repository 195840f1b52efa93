"""What a hostile container tries against its shim and its siblings, and much of what is harmless at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cgroups.limits import Limits
from podrun.container.plan import ExecPlan
from podrun.shim import facts, messages
from tests.kernel.shim_client import Client, Pod
from tests.wait import wait_until


def held_by(pid: int) -> Callable[[], int]:
    return lambda: len(os.listdir(f"/proc/{pid}/fd"))


def exec_code(shim: Client, plan: ExecPlan) -> int:
    token = secrets.token_hex(8)
    assert shim.ask(messages.PrepareExec(token, plan)) == messages.Done()
    id = shim.send(messages.Exec(token))
    assert isinstance(shim.reply(id), messages.ExecStarted)
    for fd in shim.take_descriptors():
        os.close(fd)
    ended = shim.reply(id)
    assert isinstance(ended, messages.ExecEnded)
    return ended.code


def test_many_short_execs_leave_no_descriptor_and_no_group(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sleep", "1000")
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    held = held_by(shim.ask(messages.Hello()).pid)
    exec_code(shim, pod.exec_plan(plan, "true"))
    shim.ask(messages.Hello())  # so it is through with what follows the answer
    before = held()
    for _ in range(200):
        assert exec_code(shim, pod.exec_plan(plan, "true")) == 0
    wait_until(lambda: held() == before, f"{before} descriptors again")
    group = pod.group.child(plan.id)
    wait_until(lambda: not group.children(), "the groups of execs to go")


def test_a_flood_of_output_does_not_keep_siblings_from_starting(shim: Client, pod: Pod) -> None:
    flood = pod.launch_plan("sh", "-c", "while true; do seq 100000; done", container="flood")
    assert isinstance(shim.ask(messages.Launch(flood)), facts.Started)
    wait_until(lambda: Path(flood.log_path).stat().st_size > 1 << 20, "a flood")
    for number in range(5):
        sibling = pod.launch_plan("echo", "hello", container=f"sibling{number}")
        assert isinstance(shim.ask(messages.Launch(sibling)), facts.Started)
        assert shim.fact(facts.Exited, container=sibling.container).code == 0
        assert pod.log(sibling) == b"hello\n"
    assert pod.group.child(flood.id).populated()
    shim.ask(messages.Kill("flood", 0))
    assert shim.fact(facts.Exited, container="flood").code == 137


def test_a_container_that_closes_its_output_runs_on(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "echo last; exec >&- 2>&-; exec sleep 1000")
    pid = shim.ask(messages.Hello()).pid
    before = held_by(pid)()
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    # Of a run with both pipes closed its pidfd and its log are left; the pod keeps the program that bounds devices.
    wait_until(lambda: pod.log(plan) == b"last\n" and held_by(pid)() <= before + 3, "its pipes to be closed")
    assert pod.group.child(plan.id).populated()
    shim.ask(messages.Kill("main", 0))
    assert shim.fact(facts.Exited, container="main").code == 137


def test_a_fork_bomb_ends_with_its_container(shim: Client, pod: Pod) -> None:
    bomb = "bomb() { bomb | bomb & }; bomb; while true; do sleep 1; done"
    plan = pod.launch_plan("sh", "-c", bomb, limits=Limits(pids_max=100, memory_max=256 << 20))
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    # Not by a count of processes: a bomb fills its group in no time, and may then die out by the forks that fail.
    wait_until(lambda: b"can't fork" in pod.log(plan), "the bomb to go off")
    shim.ask(messages.Kill("main", 0))
    assert shim.fact(facts.Exited, container="main").code != 0
    assert not pod.group.child(plan.id).populated()


def test_long_arguments_and_a_megabyte_of_environment_arrive_or_are_refused_in_words(shim: Client, pod: Pod) -> None:
    environment = ("PATH=/bin", *(f"V{number}={'x' * 100_000}" for number in range(10)))
    plan = pod.launch_plan("sh", "-c", "env | wc -c; echo $#", "sh", *["y" * 1000] * 500, env=environment)
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    assert shim.fact(facts.Exited, container="main").code == 0
    size, count = pod.log(plan).split()
    assert int(size) > 1_000_000
    assert count == b"500"
    too_long = pod.launch_plan("echo", "z" * (200 << 10), container="long")
    failed = shim.ask(messages.Launch(too_long))
    assert isinstance(failed, facts.StartFailed)
    assert "argument list too long" in failed.message
