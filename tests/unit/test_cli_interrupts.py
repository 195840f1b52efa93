"""A signal that comes when a wait has begun for CPython but not yet for the kernel: it is noted, and wakes nobody."""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, send_fds, socketpair
from socket import socket as Socket

import pytest

from podrun.cli import interrupts, streams
from podrun.cli.client import Client
from tests import wait


def is_asleep() -> bool:
    """Whether the main thread waits in poll(2)."""
    return "poll" in Path(f"/proc/self/task/{os.getpid()}/wchan").read_text()


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Notes a SIGINT for the main thread once that is asleep, and does not wake it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    over = threading.Event()

    def note() -> None:
        wait.wait_until(lambda: is_asleep() or over.is_set(), "the main thread to be asleep")
        if not over.is_set():
            _thread.interrupt_main()

    noting = threading.Thread(target=note)
    noting.start()
    yield
    over.set()
    noting.join()
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Socket]:
    with Socket(AF_UNIX, SOCK_STREAM) as one:
        one.bind(str(tmp_path / "socket"))
        one.listen()
        yield one


@pytest.mark.usefixtures("interrupted")
def test_an_answer_that_does_not_come_is_not_waited_for(listener: Socket) -> None:
    with pytest.raises(KeyboardInterrupt):
        Client(listener.getsockname()).get("/version")


@pytest.mark.usefixtures("interrupted")
def test_a_command_that_says_nothing_is_left(listener: Socket) -> None:
    silent, end = os.pipe()

    def start() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            with contextlib.suppress(BrokenPipeError):  # interrupted before it was told
                send_fds(connection, [json.dumps({"request": 1, "kind": "ExecStarted"}).encode() + b"\n"], [silent])
            os.close(silent)
            connection.recv(1)  # the client has gone

    starting = threading.Thread(target=start)
    starting.start()
    with pytest.raises(KeyboardInterrupt):
        streams.run(listener.getsockname(), "token", streams.Wanted())
    starting.join()
    os.close(end)


def test_a_signal_whose_handler_returns_ends_no_wait() -> None:
    heard: list[int] = []
    handler = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    ours, theirs = socketpair()
    try:
        interrupts.noted()
        signal.raise_signal(signal.SIGUSR1)
        with ours, theirs, pytest.raises(TimeoutError):
            interrupts.wait_readable(ours.fileno(), 0.01)
        assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, handler)
