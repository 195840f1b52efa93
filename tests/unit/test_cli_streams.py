"""`podrun logs` and `podrun exec`: which container, what is asked, and the copying between pipes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, send_fds
from socket import socket as Socket
from typing import Any

import pytest

from podrun.cli import detaching, sessions
from podrun.cli.client import Client
from podrun.cli.log_stream import FRAMED
from podrun.errors import PodrunError
from tests.fakes.cli_runs import Cli, pod
from tests.fakes.prepared_server import PreparedServer

WEB = "/api/v1/namespaces/default/pods/web"


def pod_of(*names: str, init: tuple[str, ...] = ()) -> dict[str, Any]:
    one: dict[str, Any] = pod("web")
    one["spec"]["containers"] = [{"name": name} for name in names]
    one["spec"]["initContainers"] = [{"name": name} for name in init]
    return one


def test_the_first_of_several_containers_is_taken_and_named(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {WEB}", pod_of("a", "b", init=("i",)))
    server.answer(f"GET {WEB}/log", b"hello\nwithout an end")
    run = cli("logs", "web")
    assert (run.out, run.code) == ("hello\nwithout an end", 0)
    assert run.err == 'Defaulted container "a" out of: a, b, i (init)\n'
    assert server.asked[1].query == {"container": ["a"], "framed": ["true"]}


def test_options_of_logs_become_parameters(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {WEB}", pod_of("a", "b"))
    server.answer(f"GET {WEB}/log", b"")
    cli("logs", "pod/web", "-c", "b", "-f", "-p", "--tail=0", "--since=2m", "--timestamps", "--limit-bytes=9")
    assert server.asked[1].query == {
        **{name: ["true"] for name in ("follow", "followRestarts", "previous", "timestamps", "framed")},
        "container": ["b"],
        "tailLines": ["0"],
        "sinceSeconds": ["120"],
        "limitBytes": ["9"],
    }


def test_a_log_goes_on_with_the_next_kubelet(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {WEB}", pod_of("a"))
    server.answer(f"GET {WEB}/log", b"0 p0\n4 p1\none\n4 p2\ntw", type_=FRAMED)
    server.answer(f"GET {WEB}/log", b"", type_=FRAMED)
    server.answer(f"GET {WEB}/log", b"0 p1\n4 p2\ntwo\n0 end\n", type_=FRAMED)
    run = cli("logs", "web", "-f", "--tail=3", "--limit-bytes=9")
    assert (run.out, run.err, run.code) == ("one\ntwo\n", "", 0)
    again = server.asked[-1].query
    assert (again["place"], again["limitBytes"]) == (["p1"], ["5"])
    assert "tailLines" not in again


def test_logs_that_end_with_the_last_kubelet_say_so(
    server: PreparedServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podrun.cli.log_stream.PATIENCE", 0.5)
    server.answer(f"GET {WEB}", pod_of("a"))
    server.answer(f"GET {WEB}/log", b"4 p1\none\n", type_=FRAMED)
    server.answer(f"GET {WEB}/log", b"0 p1\n", type_=FRAMED)
    run = cli("logs", "web", "-f")
    assert (run.out, run.code) == ("one\n", 1)
    assert run.err.startswith("error: the logs were followed to the end of the kubelet, not of the container\nhint: ")


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_all_containers_may_be_read_with_a_prefix(server: PreparedServer, cli: Cli, follow: list[str]) -> None:
    server.answer(f"GET {WEB}", pod_of("a", "b"))
    server.answer(f"GET {WEB}/log", b"one\n")
    run = cli("logs", "web", "--all-containers", "--prefix", *follow)
    assert sorted(run.out.splitlines()) == ["[pod/web/a] one", "[pod/web/b] one"]
    assert run.err == ""


@pytest.mark.parametrize(("state", "warns"), [("terminated", False), ("running", True)])
def test_who_has_ended_before_it_was_attached_to_is_read_from_its_log(
    server: PreparedServer, capsys: pytest.CaptureFixture[str], state: str, warns: bool
) -> None:
    one = {**pod_of("a"), "status": {"containerStatuses": [{"name": "a", "state": {state: {}}}]}}
    server.refuse(f"POST {WEB}/attach", 500, "InternalError", 'container not found ("a")')
    server.answer(f"GET {WEB}", one)
    server.answer(f"GET {WEB}/log", b"text\n")
    sessions.Attach(stdin=False, tty=False).run_or_log(Client(str(server.socket)), one, "a")
    said = capsys.readouterr()
    assert said.out == "text\n"
    assert said.err.startswith("warning: couldn't attach to pod/web, falling back to its logs: ") is warns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["logs"], "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'."),
        (["logs", "web", "a", "-c", "a"], "error: only one of -c or an inline [CONTAINER] arg is allowed\n"),
        (["logs", "web", "-c", "x"], "error: container x is not valid for pod web\n"),
        (["logs", "nope"], 'error: error from server (NotFound): pods "nope" not found in namespace "default"\n'),
        (["logs", "web", "--since=-1s"], "error: --since must be greater than 0\n"),
        (
            ["logs", "web", "--since=1x"],
            'error: invalid argument "1x" for "--since" flag: time: invalid duration "1x"\n',
        ),
        (["exec", "web", "-f", "x", "--", "ls"], "error: resource/name arguments cannot be provided when a path is"),
        (["exec"], "error: pod, type/name or --filename must be specified\n"),
        (["exec", "web"], "error: you must specify at least one command for the container\n"),
        (["exec", "web", "ls"], "error: exec [POD] [COMMAND] is not supported anymore."),
    ],
)
def test_unclear_wishes_are_refused(server: PreparedServer, cli: Cli, arguments: list[str], said: str) -> None:
    server.answer(f"GET {WEB}", pod_of("a", "b"))
    run = cli(*arguments)
    assert run.code == 1
    assert run.err.startswith(said)


class Shim:
    """Runs what it is given as a shim does: pipes whose outer ends go to the client."""

    def __init__(self, path: Path, argv: list[str], *, stdin: bool) -> None:
        self.path, self.argv, self.stdin = path, argv, stdin
        self.request: dict[str, Any] = {}

    def serve(self, listener: Socket) -> None:
        connection, _ = listener.accept()
        with connection:
            self.request = json.loads(connection.recv(1 << 16))
            pipe = subprocess.PIPE
            with subprocess.Popen(
                self.argv, stdin=pipe if self.stdin else subprocess.DEVNULL, stdout=pipe, stderr=pipe
            ) as child:
                ends = [one for one in (child.stdin, child.stdout, child.stderr) if one]
                line = json.dumps({"request": 1, "kind": "ExecStarted", "pid": child.pid}).encode() + b"\n"
                send_fds(connection, [line], [one.fileno() for one in ends])
                for end in ends:
                    end.close()
                code = child.wait()
            connection.sendall(json.dumps({"request": 1, "kind": "ExecEnded", "code": code}).encode() + b"\n")


@contextlib.contextmanager
def listening(path: Path, serve: Callable[[Socket], None]) -> Iterator[None]:
    directory = os.open(path.parent, os.O_PATH)
    try:
        with Socket(AF_UNIX, SOCK_STREAM) as listener:
            listener.bind(f"/proc/self/fd/{directory}/{path.name}")
            listener.listen()
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            yield
            thread.join()
    finally:
        os.close(directory)


def deep(directory: Path) -> Path:
    """A place whose path is longer than a socket's address can be."""
    place = directory / ("d" * 100)
    place.mkdir()
    return place / "shim.sock"


def test_exec_copies_the_streams_and_passes_the_exit_code_on(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    shim = Shim(deep(tmp_path), [sys.executable, "-c", script], stdin=False)
    server.answer(f"GET {WEB}", pod_of("a"))
    server.answer(f"POST {WEB}/exec", {"socket": str(shim.path), "token": "T"})
    with listening(shim.path, shim.serve):
        run = cli("exec", "web", "--", "x", "-y", "--", "z")
    assert (run.out, run.err, run.code) == ("out\n", "err\ncommand terminated with exit code 7\n", 7)
    assert shim.request == {"request": 1, "kind": "Exec", "token": "T"}
    asked = server.asked[1]
    assert asked.headers["X-Podrun-Stream"] == "shim"
    assert asked.query == {
        "command": ["x", "-y", "--", "z"],
        "container": ["a"],
        "stdout": ["true"],
        "stderr": ["true"],
    }


def test_exec_hands_standard_input_over_in_any_size(server: PreparedServer, tmp_path: Path) -> None:
    shim = Shim(deep(tmp_path), ["cat"], stdin=True)
    server.answer(f"GET {WEB}", pod_of("a"))
    server.answer(f"POST {WEB}/exec", {"socket": str(shim.path), "token": "T"})
    sent = os.urandom(1 << 20)
    with listening(shim.path, shim.serve):
        command = [sys.executable, "-m", "podrun.cli", "exec", "-i", "web", "--", "cat"]
        run = subprocess.run(command, input=sent, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout == sent


def test_a_command_that_can_not_be_started_is_an_error(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    def refuse(listener: Socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b'{"request": 1, "kind": "Refused", "message": "no such file"}\n')

    path = deep(tmp_path)
    server.answer(f"GET {WEB}", pod_of("a"))
    server.answer(f"POST {WEB}/exec", {"socket": str(path), "token": "T"})
    with listening(path, refuse):
        run = cli("exec", "web", "--", "x")
    assert (run.out, run.err, run.code) == ("", "error: no such file\n", 1)


@pytest.mark.parametrize(
    ("typed", "passed", "detached"),
    [
        ([b"ls\r"], b"ls\r", False),
        ([b"\x10\x11"], b"", True),
        ([b"a\x10", b"\x11b"], b"a", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x10"], b"", False),
    ],
)
def test_the_detach_keys_are_found_wherever_they_are_cut(typed: list[bytes], passed: bytes, detached: bool) -> None:
    detacher = detaching.Detacher(detaching.parse(detaching.DEFAULT))
    assert b"".join(map(detacher.feed, typed)) == passed
    assert detacher.is_detached is detached


def test_detach_keys_are_written_as_for_docker() -> None:
    assert detaching.parse("ctrl-p,ctrl-q") == b"\x10\x11"
    assert detaching.parse("ctrl-@,~,.") == b"\x00~."
    assert detaching.parse("") == b""
    with pytest.raises(PodrunError, match="Unknown character: 'ctrl-p1'"):
        detaching.parse("ctrl-p1")
