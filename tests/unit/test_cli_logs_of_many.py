"""`podrun logs` of several containers: which line is whose, and how many may be followed."""

from __future__ import annotations

import pytest

from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def two(server: PreparedServer) -> PreparedServer:
    server.answer(f"GET {PODS}", pod_list(pod("a"), pod("b")))
    server.answer(f"GET {PODS}/a/log", b"one\ntwo\n")
    server.answer(f"GET {PODS}/b/log", b"three\n")
    return server


def test_a_prefix_says_whose_line_it_is(two: PreparedServer, cli: Cli) -> None:
    assert cli("logs", "-l", "x=y", "--prefix").out == "[pod/a/app] one\n[pod/a/app] two\n[pod/b/app] three\n"
    followed = cli("logs", "-f", "-l", "x=y", "--prefix", "--limit-bytes=9", "--since-time=2026-01-02T03:04:05Z")
    assert sorted(followed.out.splitlines()) == ["[pod/a/app] one", "[pod/a/app] two", "[pod/b/app] three"]
    assert two.asked[-2].query["limitBytes"] == ["9"]
    assert two.asked[-2].query["sinceTime"] == ["2026-01-02T03:04:05Z"]
    assert two.asked[-2].query["tailLines"] == ["10"]


def test_the_colour_of_a_prefix_is_for_terminals(
    two: PreparedServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli("logs", "-l", "x=y", "--prefix").out.splitlines()[0] == "\x1b[36m[pod/a/app]\x1b[0m one"
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli("logs", "-l", "x=y", "--prefix").out.splitlines()[0] == "[pod/a/app] one"


def test_too_many_logs_are_not_followed(two: PreparedServer, cli: Cli) -> None:
    run = cli("logs", "-f", "-l", "x=y", "--max-log-requests=1")
    assert (run.code, run.err) == (
        1,
        "error: you are attempting to follow 2 log streams, but maximum allowed concurrency is 1, "
        "use --max-log-requests to increase the limit\n",
    )


def test_one_log_that_cannot_be_had_may_be_passed_over(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_list(pod("a"), pod("b")))
    server.refuse(f"GET {PODS}/a/log", 400, "BadRequest", "is waiting to start")
    server.answer(f"GET {PODS}/b/log", b"three\n")
    assert cli("logs", "-l", "x=y").code == 1
    run = cli("logs", "-l", "x=y", "--ignore-errors")
    assert (run.code, run.out, run.err) == (0, "three\n", "Error from server (BadRequest): is waiting to start\n")
