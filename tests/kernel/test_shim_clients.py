"""Clients that behave badly, sockets in odd places, and what the fork server refuses."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.shim import facts, messages, wire
from tests.kernel import shim_client
from tests.kernel.shim_client import Client, ForkServer, Pod
from tests.wait import wait_until


def closes(client: Client) -> bool:
    try:
        while True:
            client._receive()
    except (ConnectionError, BrokenPipeError):
        return True


@pytest.mark.parametrize("line", [b"hello\n", b"[]\n", b"[" * 100_000 + b"\n", b'{"request":"x"}\n', b"\xff\xfe\n"])
def test_a_malformed_line_is_refused_and_the_connection_closed(shim: Client, pod: Pod, line: bytes) -> None:
    bad = pod.connect()
    bad.socket.sendall(line)
    assert isinstance(bad.reply(0), messages.Refused)
    assert closes(bad)
    bad.close()
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)


def test_something_that_is_no_request_is_refused(shim: Client, pod: Pod) -> None:
    for odd in (messages.Done(), pod.fork_request(), facts.SandboxEnded(1, 1.0)):
        assert isinstance(shim.ask(odd), messages.Refused)


def test_a_line_without_an_end_is_cut_off(shim: Client, pod: Pod) -> None:
    bad = pod.connect()
    with pytest.raises(OSError):
        bad.socket.sendall(b"x" * (wire.MOST_BYTES + (8 << 20)))
    bad.close()
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)


def test_a_client_that_floods_and_never_reads_is_dropped_and_containers_go_on(shim: Client, pod: Pod) -> None:
    plan = pod.launch_plan("sh", "-c", "while :; do echo tick; sleep 0.01; done")
    shim.ask(messages.Launch(plan))
    flooder = pod.connect()
    with pytest.raises(OSError):
        flooder.socket.sendall(wire.encode(messages.Hello(), 1) * 1_000_000)
    flooder.close()
    size = len(pod.log(plan))
    wait_until(lambda: len(pod.log(plan)) > size, "another line")
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)


def test_many_clients_are_turned_away_and_the_first_still_served(shim: Client, pod: Pod) -> None:
    crowd = [pod.connect() for _ in range(260)]
    assert isinstance(shim.ask(messages.Hello()), messages.Welcome)
    for client in crowd:
        client.close()
    wait_until(lambda: is_served(pod), "a place for another client")


def is_served(pod: Pod) -> bool:
    client = pod.connect()
    try:
        return isinstance(client.ask(messages.Hello()), messages.Welcome)
    except ConnectionError:
        return False
    finally:
        client.close()


def test_a_request_in_pieces_is_understood(shim: Client, pod: Pod) -> None:
    client = pod.connect()
    for byte in wire.encode(messages.Hello(), 5):
        client.socket.sendall(bytes([byte]))
        time.sleep(0)
    assert isinstance(client.reply(5), messages.Welcome)
    client.close()


def test_followers_get_all_facts_in_order_wherever_they_begin(shim: Client, pod: Pod) -> None:
    others = [pod.connect() for _ in range(2)]
    for after, other in enumerate(others):
        other.follow(after)
    for attempt in range(5):
        shim.ask(messages.Launch(pod.launch_plan("true", attempt=attempt)))
        shim.fact(facts.Exited, attempt=attempt)
    for after, other in enumerate(others):
        other.fact(facts.Exited, attempt=4)
        assert [numbered.n for numbered in other.facts] == list(range(after + 1, 12))
        other.close()


def test_the_socket_is_for_root_alone(shim: Client, pod: Pod) -> None:
    assert stat.S_IMODE((pod.run_dir / "shim.sock").stat().st_mode) == 0o600


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Pod]:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    with shim_client.pod(directory) as pod:
        yield pod


def test_a_long_path_is_no_obstacle(server: ForkServer, deep: Pod) -> None:
    deep.fork(server)
    client = deep.connect()
    assert client.ask(messages.Hello()).pod_uid == deep.uid
    client.close()


def test_a_second_shim_of_a_pod_is_refused(shim: Client, server: ForkServer, pod: Pod) -> None:
    refused = server.client.ask(pod.fork_request())
    assert isinstance(refused, messages.Refused)
    assert "lives" in refused.message


def test_a_missing_directory_is_refused_and_the_fork_server_goes_on(server: ForkServer, pod: Pod) -> None:
    request = messages.ForkShim(pod.uid, "/nowhere", pod.shim_group.path, shim_client.BOOT_ID)
    refused = server.client.ask(request)
    assert isinstance(refused, messages.Refused)
    assert refused.errno == 2
    assert isinstance(server.client.ask(messages.Hello()), messages.Refused)
    pod.fork(server)


def test_a_shim_keeps_nothing_of_the_fork_server(shim: Client, pod: Pod) -> None:
    pid = shim.ask(messages.Hello()).pid
    open_files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    sockets = [name for name in open_files if name.startswith("socket:")]
    assert len(sockets) == 2, "the listening one and ours"
    assert sorted(name for name in open_files if name.startswith("/") and str(pod.run_dir) not in name) == (
        ["/dev/null"] * 3
    )
    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/comm").read_text() == "podrun-shim\n"
    assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0") == f"podrun-shim {pod.uid}".encode()
    assert f"0::{pod.shim_group.path}\n" in Path(f"/proc/{pid}/cgroup").read_text()
    assert os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino
    assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_nothing_of_a_pod_is_mounted_where_the_machine_sees_it(shim: Client, pod: Pod) -> None:
    shim.ask(messages.Launch(pod.launch_plan("sleep", "1000")))
    assert str(pod.directory) not in Path("/proc/self/mountinfo").read_text()


def test_the_interpreter_of_a_shim_cannot_be_written(shim: Client, pod: Pod) -> None:
    pid = shim.ask(messages.Hello()).pid
    with pytest.raises(OSError) as caught:
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)
    assert caught.value.errno in (26, 30)  # ETXTBSY says that it runs, EROFS that it never could
    mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    interpreter = os.readlink(f"/proc/{pid}/exe")
    (view,) = (line.split() for line in mounts if line.split()[4] == interpreter)
    assert "ro" in view[5].split(",")


def test_a_shim_does_not_end_by_sigterm(shim: Client, pod: Pod) -> None:
    pid = shim.ask(messages.Hello()).pid
    status = Path(f"/proc/{pid}/status").read_text()
    (ignored,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:"))
    assert ignored >> 14 & 1
    assert "SigCgt:\t0000000000000000" in status
    assert "SigBlk:\t0000000000000000" in status


def test_a_socket_left_by_a_dead_shim_is_replaced(server: ForkServer, pod: Pod) -> None:
    left = socket.socket(socket.AF_UNIX)
    directory = os.open(pod.run_dir, os.O_PATH)
    left.bind(f"/proc/self/fd/{directory}/shim.sock")
    os.close(directory)
    left.close()
    pod.fork(server)
    client = pod.connect()
    assert isinstance(client.ask(messages.Hello()), messages.Welcome)
    client.close()


def test_importing_the_fork_server_loads_nothing_heavy() -> None:
    program = "import sys, podrun.shim.fork_server; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    heavy = {"asyncio", "sqlite3", "aiohttp", "msgspec", "pyroute2", "subprocess", "logging", "yaml", "click"}
    assert not heavy & set(loaded.split())
