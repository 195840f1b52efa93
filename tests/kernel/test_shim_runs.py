"""A real fork server, shim and containers: starting, ending, and what is told about it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cgroups.limits import Limits
from podrun.container.plan import Bind, NamespaceMode
from podrun.linux import mount
from podrun.shim import facts, messages, wire
from tests.kernel import shim_client
from tests.kernel.shim_client import Client, Pod
from tests.wait import wait_until


def run(shim: Client, pod: Pod, *argv: str, **changes: object) -> tuple[facts.Exited, bytes]:
    """How a run of `argv` ended, and what it wrote."""
    plan = pod.launch_plan(*argv, **changes)  # type: ignore[arg-type]
    started = shim.ask(messages.Launch(plan))
    assert isinstance(started, facts.Started), started
    return shim.fact(facts.Exited, container=plan.container, attempt=plan.attempt), pod.log(plan)


def test_a_container_runs_and_its_exit_code_and_output_are_told(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "echo hello; echo oops >&2; exit 3")
    started = shim.ask(messages.Launch(plan))
    assert isinstance(started, facts.Started), started
    assert (started.container, started.attempt, started.id, started.uid) == ("main", 0, plan.id, 0)
    exited = shim.fact(facts.Exited)
    assert (exited.container, exited.code, exited.signal, exited.oom_killed) == ("main", 3, 0, False)
    assert set(pod.log(plan).split(b"\n")) == {b"hello", b"oops", b""}
    assert not pod.group.child(plan.id).exists()


def test_the_sandbox_names_the_network_namespace_that_pause_holds(shim: Client, pod: Pod) -> None:
    sandbox = shim.fact(facts.SandboxStarted)
    assert os.stat(f"/proc/{sandbox.pid}/ns/net").st_ino == sandbox.netns != os.stat("/proc/self/ns/net").st_ino


def test_every_exit_code_is_told(shim: Client, pod: Pod) -> None:
    codes = [0, 1, 42, 127, 137, 255]
    ended = [run(shim, pod, "sh", "-c", f"exit {code}", attempt=n)[0] for n, code in enumerate(codes)]
    assert [exited.code for exited in ended] == codes
    assert {exited.signal for exited in ended} == {0}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_a_signal_is_128_and_its_number(shim: Client, pod: Pod, number: int) -> None:
    # Shared with pause, whose PID 1 keeps the default dispositions of others: as PID 1 itself it would ignore SIGTERM.
    plan = pod.launch_plan("sleep", "1000", pid=NamespaceMode.HOST)
    shim.ask(messages.Launch(plan))
    assert shim.ask(messages.Signal("main", 0, number)) == messages.Done()
    exited = shim.fact(facts.Exited)
    assert (exited.code, exited.signal, exited.oom_killed) == (128 + number, number, False)


def test_a_signal_sent_before_the_program_runs_waits_for_it(shim: Client, pod: Pod) -> None:
    script = "trap 'exit 7' TERM; while :; do sleep 0.01; done"
    launch = shim.send(messages.Launch(pod.launch_plan("sh", "-c", script, pid=NamespaceMode.HOST)))
    early = shim.send(messages.Signal("main", 0, signal.SIGTERM))
    assert isinstance(shim.reply(launch), facts.Started)
    assert shim.reply(early) == messages.Done()
    assert shim.fact(facts.Exited).code in (7, 128 + signal.SIGTERM)  # before or after the trap is set


def test_kill_ends_all_of_a_run(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "sleep 1000 & sleep 1000")
    shim.ask(messages.Launch(plan))
    assert shim.ask(messages.Kill("main", 0)) == messages.Done()
    assert shim.fact(facts.Exited).code == 137
    assert shim.ask(messages.Kill("main", 0)) == messages.Done()
    assert shim.ask(messages.Signal("main", 0, signal.SIGTERM)) == messages.Done()


def test_a_signal_for_a_run_that_never_was_is_refused(shim: Client, pod: Pod) -> None:
    assert isinstance(shim.ask(messages.Signal("main", 0, signal.SIGTERM)), messages.Refused)


def test_what_the_main_program_leaves_running_ends_with_it(shim: Client, pod: Pod) -> None:
    exited, log = run(shim, pod, "sh", "-c", "sleep 1000 & echo started; exit 5", pid=NamespaceMode.HOST)
    assert (exited.code, log) == (5, b"started\n")


def test_in_a_shared_pid_namespace_pause_is_process_1(server: shim_client.ForkServer, pod: Pod) -> None:
    pod.fork(server)
    shim = pod.connect()
    shim.follow()
    pause = shim.ask(messages.MakeSandbox(pod.sandbox_plan(pid=NamespaceMode.POD)))
    assert isinstance(pause, facts.SandboxStarted)
    plan = pod.launch_plan("sleep", "1000", container="neighbour", pid=NamespaceMode.POD)
    neighbour = shim.ask(messages.Launch(plan))
    assert isinstance(neighbour, facts.Started)
    wait_until(lambda: shim_client.command_line(pause.pid) == "/pause", "pause to be its program")
    wait_until(lambda: shim_client.command_line(neighbour.pid) == "sleep 1000", "the neighbour to be its program")
    _, log = run(shim, pod, "ps", "-o", "pid,args", pid=NamespaceMode.POD)
    lines = [line.split(maxsplit=1) for line in log.splitlines()]
    assert [b"1", b"/pause"] in lines
    assert b"sleep 1000" in [line[1] for line in lines]
    shim.close()


def test_running_out_of_memory_is_told(shim: Client, pod: Pod) -> None:
    limits = Limits(memory_max=16 << 20, memory_swap_max=0)
    exited, _ = run(shim, pod, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", limits=limits)
    assert (exited.code, exited.oom_killed) == (137, True)


def test_too_little_memory_to_start_in_is_a_failed_start_that_says_so(shim: Client, pod: Pod) -> None:
    limits = Limits(memory_max=128 << 10, memory_swap_max=0)
    failed = shim.ask(messages.Launch(pod.launch_plan("true", limits=limits)))
    assert isinstance(failed, facts.StartFailed)
    assert failed.message == "container init was OOM-killed (memory limit too low?)"


def test_a_program_that_does_not_exist_is_a_failed_start_that_leaves_nothing(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("no-such-program")
    failed = shim.ask(messages.Launch(plan))
    assert isinstance(failed, facts.StartFailed)
    assert failed.step == "execute"
    assert "no-such-program" in failed.message
    assert not pod.group.child(plan.id).exists()
    assert shim.fact(facts.StartFailed) == failed


def test_a_relative_working_directory_is_a_failed_start_that_leaves_nothing(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("true", cwd="srv")
    failed = shim.ask(messages.Launch(plan))
    assert isinstance(failed, facts.StartFailed)
    assert failed.message == "Cwd must be an absolute path"
    assert not pod.group.child(plan.id).exists()


def test_a_log_that_cannot_be_opened_is_a_failed_start(shim: Client, pod: Pod) -> None:
    failed = shim.ask(messages.Launch(pod.launch_plan("true", log_path="/nowhere/0.log")))
    assert isinstance(failed, facts.StartFailed)
    assert failed.step == "open log"
    assert "/nowhere/0.log" in failed.message


def test_a_container_needs_a_sandbox(server: shim_client.ForkServer, pod: Pod) -> None:
    pod.fork(server)
    shim = pod.connect()
    refused = shim.ask(messages.Launch(pod.launch_plan("true")))
    assert isinstance(refused, messages.Refused)
    assert "no sandbox" in refused.message
    shim.close()


def test_a_sandbox_that_fails_says_at_which_step(server: shim_client.ForkServer, pod: Pod) -> None:
    pod.fork(server)
    shim = pod.connect()
    failed = shim.ask(messages.MakeSandbox(pod.sandbox_plan(sysctls={"net.no.such": "1"})))
    assert isinstance(failed, facts.SandboxFailed)
    assert failed.message.startswith("set sysctls: ")
    assert isinstance(shim.ask(messages.MakeSandbox(pod.sandbox_plan(attempt=2))), facts.SandboxStarted)
    shim.close()


def test_a_repeated_launch_is_answered_and_not_carried_out(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "echo ran; sleep 1000")
    first, second = shim.send(messages.Launch(plan)), shim.send(messages.Launch(plan))
    assert shim.reply(first) == shim.reply(second) == shim.ask(messages.Launch(plan))
    wait_until(lambda: pod.log(plan), "the first line")
    shim.ask(messages.Kill("main", 0))
    shim.fact(facts.Exited)
    assert shim.ask(messages.Launch(plan)) == shim.fact(facts.Started)
    assert pod.log(plan) == b"ran\n"
    assert [type(fact) for fact in pod.facts()] == [facts.SandboxStarted, facts.Started, facts.Exited]


def test_a_repeated_sandbox_is_answered_and_not_made(shim: Client, pod: Pod) -> None:
    assert shim.ask(messages.MakeSandbox(pod.sandbox_plan())) == shim.fact(facts.SandboxStarted)
    assert len(pod.facts()) == 1


def test_an_attempt_from_the_past_is_refused(shim: Client, pod: Pod) -> None:
    run(shim, pod, "true", attempt=5)
    refused = shim.ask(messages.Launch(pod.launch_plan("true", attempt=4)))
    assert isinstance(refused, messages.Refused)
    assert "attempt 5 has begun" in refused.message


def test_a_container_does_not_run_twice_at_once(shim: Client, pod: Pod) -> None:
    shim.ask(messages.Launch(pod.launch_plan("sleep", "1000")))
    refused = shim.ask(messages.Launch(pod.launch_plan("true", attempt=1)))
    assert isinstance(refused, messages.Refused)
    assert "still runs" in refused.message


@pytest.mark.parametrize("place", ["plan", "mounts"])
def test_a_plan_with_an_unknown_field_is_refused_by_its_name(shim: Client, pod: Pod, place: str) -> None:
    tree = json.loads(wire.encode(messages.Launch(pod.launch_plan("true")), 77))
    (tree["plan"] if place == "plan" else tree["plan"]["mounts"][0])["shiny"] = True
    shim.socket.sendall(json.dumps(tree).encode() + b"\n")
    refused = shim.reply(77)
    assert isinstance(refused, messages.Refused)
    assert "shiny" in refused.message
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)


def test_a_big_environment_arrives(shim: Client, pod: Pod) -> None:
    env = ("PATH=/bin", *(f"V{n}={'x' * 100_000}" for n in range(10)))
    _, log = run(shim, pod, "env", env=env)
    assert set(env) <= set(log.decode().splitlines())


def test_a_container_has_no_descriptors_but_its_three_streams(shim: Client, pod: Pod) -> None:
    _, log = run(shim, pod, "sh", "-c", "ls -1 /proc/$$/fd; sleep 0")
    assert log.split() == [b"0", b"1", b"2"]


def test_a_log_pipe_that_went_elsewhere_does_not_hold_up_the_ending(shim: Client, pod: Pod) -> None:
    """Somebody else holds an end of the log pipe: the run ends all the same, with all that it wrote itself."""
    plan = pod.launch_plan("sh", "-c", "echo mine; sleep 1000")
    main = shim.ask(messages.Launch(plan)).pid
    stolen = os.open(f"/proc/{main}/fd/1", os.O_WRONLY)
    wait_until(lambda: pod.log(plan), "the first line")
    shim.ask(messages.Kill("main", 0))
    assert shim.fact(facts.Exited).code == 137
    assert pod.log(plan) == b"mine\n"
    os.close(stolen)


def test_of_many_short_runs_none_is_lost(shim: Client, pod: Pod) -> None:
    for attempt in range(400):
        launch = shim.send(messages.Launch(pod.launch_plan("sh", "-c", f"exit {attempt % 256}", attempt=attempt)))
        assert isinstance(shim.reply(launch), facts.Started)
        assert shim.fact(facts.Exited, attempt=attempt).code == attempt % 256
        shim.facts.clear()
        shim.ask(messages.Acknowledge(3 + 2 * attempt))
    assert (pod.run_dir / "journal").stat().st_size < 64 << 10
    assert shim.ask(messages.Hello()).last == 801


def test_many_containers_run_at_once(shim: Client, pod: Pod) -> None:
    plans = [pod.launch_plan("sh", "-c", f"echo {n}; exit {n}", container=f"c{n}") for n in range(30)]
    asked = [shim.send(messages.Launch(plan)) for plan in plans]
    assert all(isinstance(shim.reply(id), facts.Started) for id in asked)
    for n, plan in enumerate(plans):
        assert shim.fact(facts.Exited, container=f"c{n}").code == n
        assert pod.log(plan) == b"%d\n" % n


def test_no_line_of_a_fast_writer_is_lost(shim: Client, pod: Pod) -> None:
    _, log = run(shim, pod, "seq", "1", "100000")
    assert log == b"".join(b"%d\n" % n for n in range(1, 100001))


def test_a_full_disk_loses_lines_and_keeps_containers_running(shim: Client, pod: Pod, tmp_path: Path) -> None:
    """/dev/full stands for the disk: a character device that has never room."""
    plan = pod.launch_plan("seq", "1", "100000", log_path="/dev/full")
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    assert shim.fact(facts.Exited).code == 0


def test_leaving_ends_everything_and_says_so(server: shim_client.ForkServer, shim: Client, pod: Pod) -> None:
    shim.ask(messages.Launch(pod.launch_plan("sleep", "1000")))
    assert shim.ask(messages.Leave()) == messages.Done()
    assert [type(fact) for fact in pod.facts()] == [
        facts.SandboxStarted,
        facts.Started,
        facts.Exited,
        facts.SandboxEnded,
    ]
    with pytest.raises(ConnectionError):
        shim.ask(messages.Hello())
    assert not (pod.run_dir / "shim.sock").exists()
    wait_until(lambda: not pod.shim_group.exists(), "the removal of the shim's group")
    assert not pod.group.children()
    assert not (pod.run_dir / "shim.log").exists()


def test_leaving_while_containers_start_ends_them_too(shim: Client, pod: Pod) -> None:
    for n in range(5):
        shim.send(messages.Launch(pod.launch_plan("sleep", "1000", container=f"c{n}")))
    assert shim.ask(messages.Leave()) == messages.Done()
    begun = [fact for fact in pod.facts() if isinstance(fact, facts.Started | facts.StartFailed)]
    assert len(begun) == 5
    assert isinstance(pod.facts()[-1], facts.SandboxEnded)


def test_a_signal_asked_for_twice_is_sent_once(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan(
        "sh", "-c", "trap 'echo term' TERM; trap 'exit 0' INT; echo up; while :; do sleep 0.05; done"
    )
    shim.ask(messages.Launch(plan))
    wait_until(lambda: b"up" in pod.log(plan), "the program is up")
    for _ in range(2):
        assert shim.ask(messages.Signal("main", 0, signal.SIGTERM)) == messages.Done()
    wait_until(lambda: b"term" in pod.log(plan), "the signal arrives")
    shim.ask(messages.Signal("main", 0, signal.SIGINT))
    shim.fact(facts.Exited)
    assert pod.log(plan).count(b"term") == 1


def test_a_bind_mount_shows_what_was_mounted_since_the_fork_server_started(
    shim: Client, pod: Pod, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mount.mount("late", str(volume), "tmpfs")
    try:
        (volume / "word").write_text("late but here")
        plan = pod.launch_plan("cat", "/late/word")
        _, output = run(shim, pod, *plan.argv, mounts=(*plan.mounts, Bind(str(volume), "/late")))
        assert output == b"late but here"
    finally:
        mount.umount_detach(str(volume))
