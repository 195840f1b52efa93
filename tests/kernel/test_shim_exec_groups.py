"""Each exec'd process has a control group of its own: killed with its children, or left alone, and taken away."""

from __future__ import annotations

import os
import secrets

import pytest

from podrun.container.plan import LaunchPlan
from podrun.shim import facts, messages
from tests.kernel.shim_client import Client, Pod
from tests.wait import wait_until


@pytest.fixture
def running(shim: Client, pod: Pod) -> LaunchPlan:
    plan = pod.launch_plan("sleep", "1000")
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    return plan


def start(shim: Client, pod: Pod, running: LaunchPlan, script: str, *, bound: bool) -> tuple[Client, int]:
    """A client that execs `script`, and the id of its request; the script has said something."""
    token = secrets.token_hex(8)
    assert shim.ask(messages.PrepareExec(token, pod.exec_plan(running, "sh", "-c", script))) == messages.Done()
    client = pod.connect()
    id = client.send(messages.Exec(token, bound))
    assert isinstance(client.reply(id), messages.ExecStarted)
    ends = client.take_descriptors()
    assert os.read(ends[0], 100)
    for end in ends:
        os.close(end)
    return client, id


def groups(pod: Pod, running: LaunchPlan) -> list[str]:
    return [group.path for group in pod.group.child(running.id).children()]


def processes(pod: Pod, running: LaunchPlan) -> int:
    return len(pod.group.child(running.id).pids(tree=True))


FAMILY = "sleep 1000 & (sleep 1000 & sleep 1000) & echo up; sleep 1000"


def test_what_is_bound_to_a_client_dies_with_it_and_all_its_children(
    shim: Client, pod: Pod, running: LaunchPlan
) -> None:
    client, _ = start(shim, pod, running, FAMILY, bound=True)
    assert len(groups(pod, running)) == 1
    client.close()
    wait_until(lambda: processes(pod, running) == 1, "the main program alone")
    wait_until(lambda: not groups(pod, running), "no group of an exec")


def test_children_that_left_their_session_die_too(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    script = "trap '' HUP TERM; busybox setsid sh -c 'trap \"\" HUP; sleep 1000' & echo up; sleep 1000"
    client, _ = start(shim, pod, running, script, bound=True)
    client.close()
    wait_until(lambda: processes(pod, running) == 1, "the main program alone")


def test_what_is_not_bound_lives_on_without_its_client(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    client, _ = start(shim, pod, running, "echo up; sleep 1000", bound=False)
    client.close()
    gone, _ = start(shim, pod, running, "echo up; sleep 1000", bound=True)
    gone.close()
    wait_until(lambda: len(groups(pod, running)) == 1, "the group of the one that is bound to nobody")
    assert processes(pod, running) >= 2


@pytest.mark.parametrize("bound", [True, False])
def test_what_an_exec_leaves_in_the_background_lives_on(
    shim: Client, pod: Pod, running: LaunchPlan, bound: bool
) -> None:
    client, id = start(shim, pod, running, "sleep 1000 >/dev/null 2>&1 & echo up", bound=bound)
    assert client.reply(id) == messages.ExecEnded(0)
    client.close()
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)  # the hang-up has been seen
    assert processes(pod, running) == 2
    assert len(groups(pod, running)) == 1


def test_the_group_of_what_stayed_behind_goes_when_that_has_ended(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    client, id = start(shim, pod, running, "sleep 1000 >/dev/null 2>&1 & echo up", bound=False)
    assert client.reply(id) == messages.ExecEnded(0)
    client.close()
    pod.group.child(running.id).children()[0].kill()

    def only_the_newest() -> bool:
        again, again_id = start(shim, pod, running, "echo up", bound=False)
        assert again.reply(again_id) == messages.ExecEnded(0)
        again.close()
        return all(not path.endswith("exec-0") for path in groups(pod, running))

    wait_until(only_the_newest, "the removal of the first group")


def test_an_exec_that_cannot_start_leaves_no_group(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    shim.ask(messages.PrepareExec("missing", pod.exec_plan(running, "no-such-program")))
    assert isinstance(shim.ask(messages.Exec("missing")), messages.Refused)
    wait_until(lambda: not groups(pod, running), "no group of an exec")


def test_a_container_that_ends_takes_its_execs_and_their_groups_along(
    shim: Client, pod: Pod, running: LaunchPlan
) -> None:
    client, id = start(shim, pod, running, FAMILY, bound=False)
    shim.ask(messages.Kill("main", 0))
    assert client.reply(id) == messages.ExecEnded(137)
    client.close()
    shim.fact(facts.Exited)
    wait_until(lambda: not pod.group.child(running.id).exists(), "the end of the container's group")
