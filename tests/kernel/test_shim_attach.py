"""Clients attached to a container's main program: its stdin, its terminal, what it writes, and their ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import termios

from podrun.container.plan import LaunchPlan
from podrun.shim import attachments, facts, messages
from tests.kernel.shim_client import PATIENCE, Client, Pod
from tests.wait import wait_until


class Attached:
    """One attached client."""

    def __init__(self, shim: Client, pod: Pod, plan: LaunchPlan, *, stdin: bool = False, stderr: bool = False) -> None:
        token = secrets.token_hex(8)
        wanted = messages.PrepareAttach(token, plan.container, plan.attempt, stdin=stdin, stderr=stderr)
        assert shim.ask(wanted) == messages.Done()
        self.client = pod.connect()
        self.id = self.client.send(messages.Exec(token))
        started = self.client.reply(self.id)
        assert isinstance(started, messages.ExecStarted), started
        ends = self.client.take_descriptors()
        self.input = ends.pop(0) if stdin else -1
        self.outputs = ends

    def read_until(self, text: bytes, output: int = 0) -> bytes:
        shown = b""
        while text not in shown:
            assert select.select([self.outputs[output]], [], [], PATIENCE)[0], shown
            piece = os.read(self.outputs[output], 65536)
            assert piece, shown
            shown += piece
        return shown

    def read_all(self, output: int = 0) -> bytes:
        return b"".join(iter(lambda: os.read(self.outputs[output], 65536), b""))

    def write(self, data: bytes) -> None:
        os.write(self.input, data)

    def end(self) -> object:
        return self.client.reply(self.id)

    def close_input(self) -> None:
        if self.input >= 0:
            os.close(self.input)
        self.input = -1

    def close(self) -> None:
        self.close_input()
        for output in self.outputs:
            with contextlib.suppress(OSError):
                os.close(output)
        self.client.close()


def launched(shim: Client, pod: Pod, script: str, **fields: bool) -> LaunchPlan:
    plan = pod.launch_plan("sh", "-c", script, **fields)
    assert isinstance(shim.ask(messages.Launch(plan)), facts.Started)
    return plan


def test_all_attached_get_what_is_written_and_the_log_goes_on(shim: Client, pod: Pod) -> None:
    plan = launched(shim, pod, 'while read line; do echo "got $line"; echo "err $line" >&2; done; exit 7', stdin=True)
    first = Attached(shim, pod, plan, stdin=True, stderr=True)
    second = Attached(shim, pod, plan)
    first.write(b"one\n")
    assert first.read_until(b"\n") == second.read_until(b"\n") == b"got one\n"
    assert first.read_until(b"\n", 1) == b"err one\n"
    first.close()
    third = Attached(shim, pod, plan, stdin=True)  # stdin is still there
    third.write(b"two\n")
    assert third.read_until(b"\n") == second.read_until(b"\n") == b"got two\n"
    wait_until(lambda: b"err two" in pod.log(plan), "all to be written")
    shim.ask(messages.Kill("main", 0))
    assert second.end() == messages.ExecEnded(137)
    assert second.read_all() == b""
    assert pod.log(plan) == b"got one\nerr one\ngot two\nerr two\n"
    second.close()
    third.close()


def test_stdin_once_ends_with_the_first_attached_client(shim: Client, pod: Pod) -> None:
    plan = launched(shim, pod, "cat; echo ended; exit 3", stdin=True, stdin_once=True)
    first = Attached(shim, pod, plan, stdin=True)
    late = Attached(shim, pod, plan, stdin=True)
    first.write(b"text\n")
    assert first.read_until(b"text\n") == b"text\n"
    first.close()
    assert late.read_until(b"ended") == b"text\nended\n"
    assert late.end() == messages.ExecEnded(3)
    late.close()
    assert shim.fact(facts.Exited).code == 3


def test_a_terminal_is_kept_for_clients_who_come_and_go(shim: Client, pod: Pod) -> None:
    for applet in ("stty", "tty"):
        (pod.directory / "layers" / "busybox" / "bin" / applet).symlink_to("busybox")
    plan = launched(shim, pod, "tty; ls /dev/console; exec sh", stdin=True, stdin_once=True, tty=True)
    wait_until(lambda: b"/dev/console" in pod.log(plan), "the beginning")
    assert pod.log(plan).replace(b"\r", b"").startswith(b"/dev/pts/0\n/dev/console\n")
    first = Attached(shim, pod, plan, stdin=True)
    termios.tcsetwinsize(first.input, (40, 100))
    first.write(b"stty size < /dev/console; echo fir''st\r")
    assert b"40 100\r\n" in first.read_until(b"first\r\n")
    first.close()
    second = Attached(shim, pod, plan, stdin=True)
    second.write(b"echo sec''ond\r")
    second.read_until(b"second\r\n")
    second.write(b"exit 5\r")
    assert second.end() == messages.ExecEnded(5)
    assert shim.fact(facts.Exited).code == 5
    assert b"second" in pod.log(plan)
    second.close()


def test_who_does_not_read_is_dropped_and_hinders_nobody(shim: Client, pod: Pod) -> None:
    piece, size = 64 << 10, 2 << 20  # in all, more than is kept for who does not read
    script = f"while read go; do dd if=/dev/zero bs={piece} count=1 2>/dev/null; done; sleep 1000"
    plan = launched(shim, pod, script, stdin=True)
    slow, quick = Attached(shim, pod, plan, stdin=True), Attached(shim, pod, plan)
    received = 0
    for asked in range(piece, size + piece, piece):
        slow.write(b"go\n")
        while received < asked:
            assert select.select([quick.outputs[0]], [], [], PATIENCE)[0], received
            some = os.read(quick.outputs[0], 1 << 20)
            assert some, received
            received += len(some)
    dropped = slow.end()
    assert isinstance(dropped, messages.Refused)
    assert "did not read" in dropped.message
    assert len(slow.read_all()) <= attachments.MOST_WAITING + (1 << 20)
    slow.close()
    shim.ask(messages.Kill("main", 0))
    assert quick.end() == messages.ExecEnded(137)
    quick.close()


def test_attached_clients_who_vanish_leave_no_descriptor(shim: Client, pod: Pod) -> None:
    plan = launched(shim, pod, "exec sleep 1000", stdin=True, tty=True)
    pid = shim.ask(messages.Hello()).pid
    before = len(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(20):
        Attached(shim, pod, plan, stdin=True).close()
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == before, "as many descriptors as before")
