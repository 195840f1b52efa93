"""Processes exec'd into running containers, with the real client's side of the pipes."""

from __future__ import annotations

import os
import secrets
import select
from dataclasses import replace

import pytest

from podrun.container import plan as plan_module
from podrun.container.plan import ExecPlan, LaunchPlan
from podrun.shim import facts, messages
from tests.kernel import shim_client
from tests.kernel.shim_client import Client, Pod
from tests.wait import wait_until


@pytest.fixture
def running(shim: Client, pod: Pod) -> LaunchPlan:
    plan = pod.launch_plan("sleep", "1000")
    started = shim.ask(messages.Launch(plan))
    assert isinstance(started, facts.Started)
    wait_until(lambda: shim_client.command_line(started.pid) == "sleep 1000", "its program to be there")
    return plan


class Session:
    """One exec, from a client of its own, as the command line does it."""

    def __init__(self, shim: Client, pod: Pod, plan: ExecPlan) -> None:
        token = secrets.token_hex(8)
        assert shim.ask(messages.PrepareExec(token, plan)) == messages.Done()
        self.client = pod.connect()
        self.id = self.client.send(messages.Exec(token))
        self.started = self.client.reply(self.id)
        self.ends = self.client.take_descriptors()

    def code(self) -> int:
        ended = self.client.reply(self.id)
        assert isinstance(ended, messages.ExecEnded), ended
        return ended.code

    def close(self) -> None:
        for fd in self.ends:
            os.close(fd)
        self.client.close()


def read_all(fd: int) -> bytes:
    return b"".join(iter(lambda: os.read(fd, 65536), b""))


def test_output_errors_and_code_come_back(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "sh", "-c", "echo out; echo err >&2; exit 9"))
    assert isinstance(session.started, messages.ExecStarted)
    out, err = session.ends
    assert (read_all(out), read_all(err), session.code()) == (b"out\n", b"err\n", 9)
    session.close()


def test_any_bytes_go_in_and_come_out_as_they_were(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "cat", stdin=True, stderr=False))
    into, out = session.ends
    sent = os.urandom(1 << 20)
    received, rest = b"", sent
    os.set_blocking(into, False)
    while len(received) < len(sent):
        _, writable, _ = select.select([], [into], [], 0) if rest else ([], [], [])
        if writable:
            rest = rest[os.write(into, rest[:32768]) :]
        if select.select([out], [], [], 0.001)[0]:
            received += os.read(out, 65536)
    assert received == sent
    os.close(into)
    session.ends = [out]
    assert (read_all(out), session.code()) == (b"", 0)
    session.close()


def test_without_stdin_a_program_reads_nothing(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "cat"))
    assert (read_all(session.ends[0]), session.code()) == (b"", 0)
    session.close()


def test_it_runs_inside_the_container(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    script = "cat /proc/1/cmdline; cat /proc/self/cgroup; ls -1 /proc/$$/fd; sleep 0"
    session = Session(shim, pod, pod.exec_plan(running, "sh", "-c", script))
    output = read_all(session.ends[0])
    assert output.startswith(b"sleep\x001000\x00")
    assert output.endswith(b"\n0\n1\n2\n")
    assert session.code() == 0
    session.close()


def test_several_run_at_once(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    sessions = [Session(shim, pod, pod.exec_plan(running, "sh", "-c", f"cat; exit {n}", stdin=True)) for n in range(10)]
    for n, session in reversed(list(enumerate(sessions))):
        os.write(session.ends[0], b"%d" % n)
        os.close(session.ends[0])
        session.ends = session.ends[1:]
        assert (read_all(session.ends[0]), session.code()) == (b"%d" % n, n)
        session.close()


def test_an_end_by_a_signal_is_128_and_its_number(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "sh", "-c", "kill -9 $$"))
    assert session.code() == 137
    session.close()


def test_the_end_of_the_container_is_its_end(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "sleep", "1000"))
    shim.ask(messages.Kill("main", 0))
    assert session.code() == 137
    session.close()


def test_a_program_that_does_not_exist_is_refused_with_its_errno(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    session = Session(shim, pod, pod.exec_plan(running, "no-such-program"))
    assert isinstance(session.started, messages.Refused)
    assert "no-such-program" in session.started.message
    assert session.started.errno == 2
    assert session.ends == []
    session.close()


def test_a_token_works_once(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    shim.ask(messages.PrepareExec("once", pod.exec_plan(running, "true")))
    assert isinstance(shim.ask(messages.Exec("once")), messages.ExecStarted)
    refused = shim.ask(messages.Exec("once"))
    assert isinstance(refused, messages.Refused)
    assert "token" in refused.message


def test_a_container_that_does_not_run_refuses(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    plan = pod.exec_plan(running, "true")
    assert shim.ask(messages.PrepareExec("early", plan)) == messages.Done()
    shim.ask(messages.Kill("main", 0))
    shim.fact(facts.Exited)
    for refused in (shim.ask(messages.Exec("early")), shim.ask(messages.PrepareExec("late", plan))):
        assert isinstance(refused, messages.Refused)
        assert "not running" in refused.message


def test_a_terminal_is_one_of_the_container_and_goes_to_the_client_alone(
    shim: Client, pod: Pod, running: LaunchPlan
) -> None:
    plan = replace(pod.exec_plan(running, "sh", "-c", "ls /dev/pts; ls -l /proc/$$/fd; echo; sleep 1000"), tty=True)
    session = Session(shim, pod, plan)
    (master,) = session.ends
    shown = b""
    while not shown.endswith(b"\r\n\r\n"):
        assert select.select([master], [], [], 30)[0], shown
        shown += os.read(master, 65536)
    assert shown.startswith(b"0     ptmx\r\n")
    assert [f"{n} -> /dev/pts/0".encode() in shown for n in range(3)] == [True, True, True]
    assert shown.count(b" -> ") == shown.count(b" -> /dev/")  # the shell keeps /dev/tty
    os.close(master)  # the only one there is: the line hangs up
    session.ends = []
    assert session.code() == 129
    session.close()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ("mount -t tmpfs none /dev/pts && cp -a /dev/null /dev/pts/ptmx", "no devpts"),
        ("mount -t tmpfs none /tmp && mkdir /tmp/a && mount --bind /tmp/a /dev/pts", "no devpts"),
        ("mount --bind /dev/null /dev/pts/ptmx", "terminal"),
        ("mount --bind /proc/1/fd/0 /dev/pts/ptmx", "terminal"),
        ("umount -l /dev/pts && rmdir /dev/pts && ln -s /proc/1/fd /dev/pts", "terminal"),
    ],
)
def test_a_false_dev_pts_gives_no_terminal(shim: Client, pod: Pod, prepare: str, words: str) -> None:
    for applet in ("mount", "umount", "mkdir", "rmdir", "ln", "cp"):
        (pod.directory / "layers" / "busybox" / "bin" / applet).symlink_to("busybox")
    (pod.directory / "layers" / "busybox" / "tmp").mkdir()
    able = plan_module.Identity(capabilities=(1 << 41) - 1)
    running = pod.launch_plan("sh", "-c", f"{prepare} && echo prepared; sleep 1000", identity=able)
    shim.ask(messages.Launch(running))
    wait_until(lambda: b"prepared" in pod.log(running), "the false /dev/pts")
    session = Session(shim, pod, replace(pod.exec_plan(running, "tty"), tty=True))
    assert isinstance(session.started, messages.Refused)
    assert words in session.started.message
    assert session.ends == []
    session.close()


def test_a_client_that_vanishes_leaves_no_descriptor_in_the_shim(shim: Client, pod: Pod, running: LaunchPlan) -> None:
    pid = shim.ask(messages.Hello()).pid

    def open_descriptors() -> list[str]:
        return sorted(os.listdir(f"/proc/{pid}/fd"))

    shim.ask(messages.Hello())
    before = open_descriptors()
    for _ in range(20):
        session = Session(shim, pod, pod.exec_plan(running, "cat", stdin=True))
        session.close()
    for _ in range(20):
        token = secrets.token_hex(8)
        shim.ask(messages.PrepareExec(token, pod.exec_plan(running, "cat", stdin=True)))
        hasty = pod.connect()
        hasty.send(messages.Exec(token))
        hasty.close()
    wait_until(lambda: len(open_descriptors()) == len(before), f"{before} again, not {open_descriptors()}")
