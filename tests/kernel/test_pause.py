"""The pause process: what it holds, what it left behind, and that nobody in the pod gets at it or through it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_stage import PATIENCE, PROJECT, Failed, Stage, scratch_pod

from podrun.container import defaults
from podrun.container.plan import Identity, NamespaceMode
from tests.wait import wait_until

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
SHARED = NamespaceMode.POD


@pytest.fixture
def pod() -> Iterator[Stage]:
    with scratch_pod() as stage:
        yield stage


def namespaces_of(pid: int | str) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_pause_holds_the_namespaces_of_the_plan(pod: Stage) -> None:
    told = pod.make_sandbox()
    own, machine = namespaces_of(told["pid"]), namespaces_of("self")
    assert {kind for kind in KINDS if own[kind] != machine[kind]} == {"net", "ipc", "uts", "mnt"}
    assert own["net"] == f"net:[{told['netns']}]"


def test_pause_with_the_hosts_namespaces_holds_only_the_others(pod: Stage) -> None:
    host = NamespaceMode.HOST
    pid = pod.make_sandbox(net=host, uts=host, pid=SHARED)["pid"]
    own, machine = namespaces_of(pid), namespaces_of("self")
    assert {kind for kind in KINDS if own[kind] != machine[kind]} == {"ipc", "mnt", "pid"}


def test_pause_is_called_pause_and_has_left_everything_behind(pod: Stage) -> None:
    pid = pod.make_sandbox()["pid"]
    wait_until(lambda: status_of(pid)["VmData"] == "0 kB", "pause to become its program")
    wait_until(lambda: status_of(pid)["Name"] == "pause", "it to take its name")
    command_line = Path(f"/proc/{pid}/cmdline")
    wait_until(lambda: command_line.read_bytes().rstrip(b"\0") == b"/pause", "its command line to be there")
    status = status_of(pid)
    assert status["Uid"].split() == status["Gid"].split() == ["65535"] * 4
    assert status["Groups"] == ""
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1"
    assert os.listdir(f"/proc/{pid}/fd") == []
    assert os.listdir(f"/proc/{pid}/root") == []
    table = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    assert len(table) == 1
    assert table[0].split()[5].startswith("ro,nosuid,nodev,noexec")
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3] == str(pid), "a session of its own"


def test_pause_keeps_next_to_no_memory(pod: Stage) -> None:
    pid = pod.make_sandbox()["pid"]

    def held() -> int:
        return int(status_of(pid)["VmRSS"].split()[0])

    wait_until(lambda: held() < 200, "pause to have left the interpreter behind")


def test_pause_is_in_its_group(pod: Stage) -> None:
    pid = pod.make_sandbox()["pid"]
    assert pod.group.child("pause").pids() == [pid]


def test_sysctls_are_set_for_the_pod_alone(pod: Stage) -> None:
    port, shm = "net.ipv4.ip_unprivileged_port_start", "kernel.shm_rmid_forced"
    before = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    pod.make_sandbox(sysctls={port: "79", shm: "1", "net/ipv4/ip_local_port_range": "20000 30000"})
    paths = [f"/proc/sys/{name.replace('.', '/')}" for name in (port, shm, "net.ipv4.ip_local_port_range")]
    assert pod.run(*" then ".join(f"cat {path}" for path in paths).split()).output.split() == [
        "79",
        "1",
        "20000",
        "30000",
    ]
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == before


def test_a_sysctl_that_does_not_exist_is_named(pod: Stage) -> None:
    with pytest.raises(Failed, match=r"/proc/sys/net/no/such") as caught:
        pod.make_sandbox(sysctls={"net.no.such": "1"})
    assert caught.value.step == "set sysctls"


def test_a_host_name_that_is_too_long_fails_in_its_step(pod: Stage) -> None:
    with pytest.raises(Failed) as caught:
        pod.make_sandbox(hostname="x" * 65)
    assert caught.value.step == "set hostname"
    assert "sethostname" in caught.value.message


# A shared PID namespace


def make_shared_sandbox(pod: Stage) -> int:
    """The pid of pause, once it is its program: it says that it is there just before, under the same name."""
    pid: int = pod.make_sandbox(pid=SHARED)["pid"]
    wait_until(lambda: status_of(pid)["VmData"] == "0 kB", "pause to have left the interpreter")
    wait_until(lambda: pod.run("ps", pid=SHARED).lines[0] == "1 pause /pause", "pause to be its program")
    return pid


def test_in_a_shared_pid_namespace_pause_is_the_first_process(pod: Stage) -> None:
    make_shared_sandbox(pod)
    first = pod.start(pod.plan("hang", pid=SHARED))

    def shown() -> list[str]:
        return [line.split(" ", 1)[1] for line in pod.run("ps", pid=SHARED).lines]

    wait_until(lambda: shown() == ["pause /pause", "witness witness hang", "witness witness ps"], "all to be shown")
    pod.ask("signal", name=first, number=signal.SIGTERM)
    assert pod.wait(first).signal == signal.SIGTERM, "no PID 1, so the default action reaches it"


def test_pause_reaps_orphans(pod: Stage) -> None:
    make_shared_sandbox(pod)
    pod.run("orphan", "then", "orphan", pid=SHARED)
    for _ in range(600):
        lines = pod.run("ps", pid=SHARED).lines
        if len(lines) == 2:
            break
    assert [line.split()[1] for line in lines] == ["pause", "witness"]


@pytest.mark.parametrize("who", [Identity(capabilities=defaults.DEFAULT_CAPABILITIES), Identity(user="65535")])
def test_nobody_in_the_pod_gets_at_pause(pod: Stage, who: Identity) -> None:
    make_shared_sandbox(pod)
    questions = ("readlink /proc/1/exe", "readlink /proc/1/root", "ls /proc/1/root", "peek 1", "ls /proc/1/fd")
    lines = pod.run(*" then ".join(questions).split(), pid=SHARED, identity=who).lines
    denied = "Permission denied"
    assert lines[:3] == [f"readlink: {denied}", f"readlink: {denied}", f"ls: {denied}"]
    assert lines[3:5] == [f"open mem: {denied}", "Operation not permitted"]
    assert lines[5:] in ([], [f"ls: {denied}"]), "it has no descriptors that a listing could show"


def test_even_with_ptrace_the_root_of_pause_shows_nothing(pod: Stage) -> None:
    make_shared_sandbox(pod)
    everything = Identity(capabilities=(1 << 41) - 1)
    assert pod.run("ls", "/proc/1/root", "then", "ls", "/proc/1/fd", pid=SHARED, identity=everything).output == ""


def test_signals_from_the_pod_do_not_end_pause(pod: Stage) -> None:
    pid = make_shared_sandbox(pod)
    pidfd = os.pidfd_open(pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSEGV, signal.SIGCHLD):
        pod.run("kill", "1", str(int(number)), pid=SHARED, identity=Identity(capabilities=(1 << 41) - 1))
    assert len(pod.run("ps", pid=SHARED).lines) == 2
    assert not select.select([pidfd], [], [], 0)[0]
    os.close(pidfd)


def test_the_end_of_pause_ends_a_shared_pid_namespace(pod: Stage) -> None:
    make_shared_sandbox(pod)
    name = pod.start(pod.plan("hang", pid=SHARED))
    pod.ask("signal", name="pause", number=signal.SIGKILL)
    assert pod.wait(name).signal == signal.SIGKILL


# By hand


def test_pause_can_be_run_by_hand() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pause"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ) as pause:
        assert pause.stdout
        assert f"process {pause.pid} holds the namespaces net {os.stat('/proc/self/ns/net').st_ino}" in (
            pause.stdout.readline()
        )
        pause.send_signal(signal.SIGTERM)
        assert pause.wait(PATIENCE) == 0
