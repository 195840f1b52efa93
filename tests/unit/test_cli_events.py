"""`podrun events`: kubectl's columns, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer

EVENTS = "/api/v1/namespaces/default/events"
NAMES = ("Last Seen", "Type", "Reason", "Object", "Message", "First Seen", "Count")


def row(reason: str, at: str, message: str = "words", type_: str = "Normal", count: int = 1) -> dict[str, Any]:
    about = {"kind": "Pod", "name": "web"}
    event = {
        "metadata": {"name": f"web.{reason}", "namespace": "default"},
        "type": type_,
        "lastTimestamp": at,
        "involvedObject": about,
    }
    return {"cells": ["5s", type_, reason, "pod/web", message, "2m", count], "object": event}


def table(*rows: dict[str, Any]) -> dict[str, Any]:
    columns = [{"name": name, "type": "string"} for name in NAMES]
    return {"kind": "Table", "metadata": {"resourceVersion": "7"}, "columnDefinitions": columns, "rows": list(rows)}


def test_events_come_in_the_order_of_time_and_tell_how_often(server: PreparedServer, cli: Cli) -> None:
    late = row("Late", "2026-01-02T03:04:06Z", "again\nand \x1b[31mred", "Warning", 3)
    server.answer(f"GET {EVENTS}", table(late, row("Early", "2026-01-02T03:04:05Z")))
    assert cli("events").out == (
        "LAST SEEN         TYPE      REASON   OBJECT    MESSAGE\n"
        "2m                Normal    Early    Pod/web   words\n"
        "5s (x3 over 2m)   Warning   Late     Pod/web   again and ^[[31mred\n"
    )
    assert cli("events", "--types=Warning", "--no-headers").out.startswith("5s (x3 over 2m)")


def test_events_of_one_object_are_asked_of_the_server(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {EVENTS}", table())
    run = cli("events", "--for", "po/web")
    assert run.err == "No events found in default namespace.\n"
    assert server.asked[0].query["fieldSelector"] == ["involvedObject.kind=Pod,involvedObject.name=web"]


def test_a_watch_goes_on_with_new_events(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {EVENTS}", table(row("First", "2026-01-02T03:04:05Z")))
    server.watch(EVENTS, ("ADDED", table(row("Second", "2026-01-02T03:04:06Z"))), ("ERROR", {"reason": "Forbidden"}))
    assert [line.split()[2] for line in cli("events", "-w", "--no-headers").out.splitlines()] == ["First", "Second"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--types=Bad"], "error: valid --types are Normal or Warning\n"),
        (["--for", "web"], "error: --for must be in resource/name form\n"),
        (["--for", "nope/web"], 'error: the server doesn\'t have a resource type "nope"\n'),
    ],
)
def test_what_cannot_be_asked_of_events_is_an_error(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli("events", *arguments)
    assert (run.code, run.err) == (1, said)
