"""`podrun exec -it` on a real terminal: what a user types, sees, and is left with."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance
from tests.terminals import CTRL_C, CTRL_D, ENTER, Terminal

POD = "shown"


@pytest.fixture(scope="module")
def target(node: Instance) -> Instance:
    """The shared instance with a pod to open terminals in."""
    node.apply(manifests.pod(POD), wait=True)
    return node


def opened(target: Instance, *words: str, **size: int) -> Terminal:
    return Terminal([COMMAND, "exec", "-it", POD, "--", *words], target.environment, **size)


def attached(target: Instance, name: str, *options: str) -> Terminal:
    return Terminal([COMMAND, "attach", "-it", name, *options], target.environment)


def processes(target: Instance) -> int:
    return len(target.container_pids(target.pod(POD)))


@pytest.mark.vm
def test_a_shell_has_a_terminal_of_the_container_with_the_size_of_ours(target: Instance) -> None:
    with opened(target, "sh", rows=33, columns=77) as terminal:
        terminal.type(b"stty size; tty; ls /dev/pts; echo TERM=$TERM; ls -l /proc/self/fd | wc -l" + ENTER)
        terminal.expect("33 77\r\n/dev/pts/0\r\n0     ptmx\r\nTERM=xterm\r\n")
        terminal.resize(44, 99)
        wait.wait_until(lambda: resized(terminal, "44 99"), "the new size inside")
        terminal.type(b"sh -c 'echo re\"\"ady; exec sleep 1000'" + ENTER)
        terminal.expect("ready")  # so it is in the foreground
        terminal.type(CTRL_C)
        terminal.expect("^C")
        terminal.type(b"echo code $?" + ENTER)
        terminal.expect("code 130")
        assert not terminal.is_as_before()
        terminal.type(b'(echo al""most; exit 7)' + ENTER)
        terminal.expect("almost\r\n")
        terminal.expect("# ")  # the shell takes each key by itself again: a Ctrl-D from before would be a NUL to it
        terminal.type(CTRL_D)
        assert terminal.code() == 7
        assert b"command terminated with exit code 7" in terminal.shown
        assert terminal.is_as_before()


def resized(terminal: Terminal, size: str) -> bool:
    terminal.type(b"stty size" + ENTER)
    terminal.expect("stty size\r\n")
    terminal.expect("\r\n")
    return size.encode() in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_when_the_client_is_told_to_end(target: Instance, number: signal.Signals) -> None:
    before = processes(target)
    with opened(target, "sh", "-c", "echo up; exec sleep 1000") as terminal:
        terminal.expect("up")
        terminal.signal(number)
        assert terminal.code() == 128 + number
        assert terminal.is_as_before()
    wait.wait_until(lambda: processes(target) <= before, "the hang-up to end the command")


def test_a_client_that_is_killed_is_a_hang_up(target: Instance) -> None:
    script = "trap 'echo gone > /tmp/hung-up; exit' HUP; echo up; while true; do sleep 0.1; done"
    with opened(target, "sh", "-c", script) as terminal:
        terminal.expect("up")
        terminal.signal(signal.SIGKILL)
        terminal.process.wait()
    wait.wait_until(
        lambda: target.exec(POD, "cat", "/tmp/hung-up", check=False).stdout == "gone\n", "the command's own words"
    )


def test_the_terminal_is_restored_when_the_shim_dies(own_node: Instance) -> None:
    own_node.apply(manifests.pod(POD), wait=True)
    with opened(own_node, "sh", "-c", "echo up; exec sleep 1000") as terminal:
        terminal.expect("up")
        pidfd = os.pidfd_open(own_node.shim_pid(own_node.pod(POD)))
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        assert terminal.code() != 0
        assert terminal.is_as_before()


def test_much_output_comes_through_whole_and_a_command_may_not_be_there(target: Instance) -> None:
    with opened(target, "sh", "-c", "seq 1 200000; echo -n 'the end'") as terminal:
        terminal.expect("\r\n200000\r\nthe end", seconds=60)
        assert terminal.code() == 0
        assert terminal.shown.count(b"\r\n") == 200000
    with opened(target, "no-such-program") as terminal:
        assert terminal.code() == 127
        assert terminal.is_as_before()


def test_without_a_terminal_t_is_taken_back_with_a_warning(target: Instance) -> None:
    words = [COMMAND, "exec", "-it", POD, "--", "sh", "-c", "cat; tty; exit 3"]
    sent = os.urandom(300000)
    result = subprocess.run(
        words, env=target.environment, input=sent, capture_output=True, timeout=wait.patient(60), check=False
    )
    assert result.stdout == sent + b"not a tty\n"
    assert result.stderr.splitlines() == [
        b"Unable to use a TTY - input is not a terminal or the right kind of file",
        b"command terminated with exit code 3",
    ]
    assert result.returncode == 3


@pytest.mark.vm
def test_attach_shows_the_main_programs_terminal_and_leaves_it_running(target: Instance) -> None:
    script = "echo begun; exec sh"
    target.apply(manifests.pod("kept", manifests.busybox(script=script, stdin=True, tty=True), restartPolicy="Never"))
    target.wait_for("kept", pods.is_running, "to run")
    with attached(target, "kept") as terminal:
        terminal.expect("If you don't see a command prompt, try pressing enter.")
        terminal.type(b"stty size; X=kept" + ENTER)
        terminal.expect("30 90\r\n")
        terminal.type(b"\x10\x11")
        assert terminal.code() == 0
        assert b"Session ended, resume using 'podrun attach kept -c main -n default -i -t' command" in terminal.shown
        assert terminal.is_as_before()
    target.restart_kubelet()
    target.wait_for("kept", pods.is_running, "to run still")
    with attached(target, "kept", "--detach-keys=ctrl-a,d") as terminal:
        terminal.expect("pressing enter.")
        terminal.type(b"echo X=$X; exit 4" + ENTER)
        terminal.expect("X=kept\r\n")
        assert terminal.code() == 0
    ended = target.wait_for("kept", pods.has_ended, "to end")
    assert pods.terminated(ended)["exitCode"] == 4
    assert any("X=kept" in line for line in target.logs("kept"))
    late = target.run("attach", "kept", check=False)
    assert late.stderr == "error: cannot attach a container in a completed pod; current phase is Failed\n"


def test_stdin_once_is_closed_when_what_is_fed_in_ends(target: Instance) -> None:
    target.apply(
        manifests.pod("fed", manifests.busybox(script="wc -c", stdin=True, stdinOnce=True), restartPolicy="Never")
    )
    target.wait_for("fed", pods.is_running, "to run")
    result = target.run("attach", "-i", "-q", "fed", stdin=b"x" * 1000000)
    assert (result.stdout, result.stderr) == ("1000000\n", "")
    target.wait_for("fed", pods.has_ended, "to end")
    unknown = target.run("attach", "fed", "-c", "x", check=False)
    assert unknown.returncode == 1


def test_attach_to_a_container_without_a_terminal_says_so(target: Instance) -> None:
    with Terminal([COMMAND, "attach", "-it", POD], target.environment) as terminal:
        terminal.expect("error: Unable to use a TTY - container main did not allocate one\r\n")
        terminal.expect("pressing enter.")
        terminal.type(CTRL_C)
        assert terminal.code() == 130


@pytest.mark.vm
def test_run_on_a_terminal_ends_with_the_exit_code_and_leaves_no_pod(target: Instance) -> None:
    words = ("run", "-it", "--rm", "--restart=Never", "once", f"--image={manifests.BUSYBOX}", "--env=A=b", "--", "sh")
    with Terminal([COMMAND, *words], target.environment) as terminal:
        terminal.expect("If you don't see a command prompt, try pressing enter.")
        terminal.type(b"tty; echo A=$A; exit 6" + ENTER)
        terminal.expect("/dev/pts/0\r\nA=b\r\n")
        assert terminal.code() == 6
        terminal.expect("pod default/once terminated (Error)")
        terminal.expect('pod "once" deleted')
        assert terminal.is_as_before()
    target.wait_gone("once")


def test_run_loses_nothing_of_what_is_written_before_it_is_attached(target: Instance) -> None:
    script = "seq 1 20000; cat; exit 9"
    words = ("run", "-i", "-q", "--rm", "--restart=Never", "piped", f"--image={manifests.BUSYBOX}")
    result = target.run(*words, "--command", "--", "sh", "-c", script, stdin="fed in\n", check=False)
    assert result.stdout == "".join(f"{n}\n" for n in range(1, 20001)) + "fed in\n"
    assert result.returncode == 9
    target.wait_gone("piped")
    over = target.run(
        "run", "--attach", "short", "--rm", "--restart=Never", f"--image={manifests.BUSYBOX}", "--", "echo", "said"
    )
    assert over.stdout.replace("said\n", "", 1) == 'pod "short" deleted\n'
    absent = target.run("run", "-i", "--rm", "absent", "--image=none:1", "--image-pull-policy=Never", check=False)
    assert "ErrImageNeverPull" in absent.stderr
    target.wait_gone("short", "absent")
