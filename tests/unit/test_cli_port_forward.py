"""`podrun port-forward`: ports and addresses, and copying between two sockets."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from podrun.cli import port_forward
from podrun.cli.client import Client
from podrun.cli.port_forward import Forward
from podrun.errors import PodrunError
from tests.fakes.cli_runs import Cli, pod
from tests.fakes.prepared_server import PreparedServer

POD = {"spec": {"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 80}]}]}}


@pytest.mark.parametrize(
    ("word", "forward"),
    [("81", Forward(81, 81)), ("8080:81", Forward(8080, 81)), (":81", Forward(0, 81)), (":http", Forward(0, 80)),
     ("http", Forward(80, 80)), ("8080:http", Forward(8080, 80))],
)  # fmt: skip
def test_ports_are_read(word: str, forward: Forward) -> None:
    assert port_forward.read_forward(word, POD) == forward


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["web"], "error: TYPE/NAME and list of ports are required for port-forward"),
        (["web", "x"], 'error: error parsing port "x"'),
        (["web", "0"], 'error: error parsing port "0"'),
        (["web", "80:99999"], 'error: error parsing port "99999"'),
        (["web", "80"], "error: unable to forward port because pod is not running. Current status=Pending"),
    ],
)
def test_what_cannot_be_forwarded_is_said(server: PreparedServer, cli: Cli, words: list[str], said: str) -> None:
    server.answer("GET /api/v1/namespaces/default/pods/web", pod())
    run = cli("port-forward", *words)
    assert run.code == 1
    assert run.err.startswith(said)


def test_an_address_that_is_none_is_an_error(server: PreparedServer, cli: Cli) -> None:
    server.answer("GET /api/v1/namespaces/default/pods/web", pod(phase="Running"))
    assert cli("port-forward", "web", "80", "--address=nope").err == "error: nope is not a valid IP\n"


def test_bytes_pass_both_ways_and_one_end_may_close_first() -> None:
    (client, left), (right, program) = socket.socketpair(), socket.socketpair()
    copying = threading.Thread(target=port_forward.copy_both, args=(left, right))
    copying.start()
    sent = bytes(range(256)) * 8192
    sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
    sender.start()
    with program.makefile("rb") as file:
        assert file.read() == sent  # It has seen the end, and can still answer.
    program.sendall(b"answer")
    program.close()
    with client.makefile("rb") as file:
        assert file.read() == b"answer"
    sender.join()
    copying.join()
    for one in (client, left, right):
        one.close()


def test_a_kubelet_that_is_killed_before_its_answer_is_an_error_in_words(tmp_path: Path) -> None:
    def hang_up(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1, socket.MSG_PEEK)  # What nobody read resets the connection.

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        server = threading.Thread(target=hang_up, args=(listener,))
        server.start()
        with pytest.raises(PodrunError, match="closed the connection without an answer"):
            Client(str(tmp_path / "s")).receive_descriptor("POST", "/portforward")
        server.join()
