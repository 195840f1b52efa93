"""What a program in a container says never steers the terminal of who looks at its pod, by whatever verb."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podrun.cli.plain_text import plain, plain_json
from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
EVIL = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\rreal\x08\x7f\u202ekcab"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("line\n\ttab ünï 漢字 é\xa0", "line\n\ttab ünï 漢字 é\xa0"),
        (EVIL, "^[[2J^[]52;c;ZXZpbA==\\x07\\x9b31m\\rreal\\x08\\x7f\\u202ekcab"),
        ("\udcff", "\\udcff"),
    ],
)
def test_only_what_steers_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_json_stays_what_it_means() -> None:
    value = {"a": EVIL, "b": "ü\u2028"}
    text = plain_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not [one for one in text if one < " " or "\x7f" <= one < "\xa0"]


def evil_pod() -> dict[str, Any]:
    ended = {"exitCode": 1, "reason": "Error", "message": EVIL, "startedAt": None, "finishedAt": None}
    status = {"name": "app", "state": {"terminated": ended}, "restartCount": 0, "ready": False}
    made = pod(phase="Failed", message=EVIL, containerStatuses=[status])
    made["metadata"]["annotations"] = {"note": EVIL}  # type: ignore[index]
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("describe", "pod", "web"),
        ("get", "pod", "web", "-o", "json"),
        ("get", "pod", "web", "-o", "yaml"),
        ("get", "pod", "web", "-o", "custom-columns=M:.status.message"),
        ("delete", "pod", "web"),
        ("image", "inspect", "i:1"),
    ],
)
def test_no_verb_lets_it_through(server: PreparedServer, cli: Cli, words: tuple[str, ...]) -> None:
    server.answer(f"GET {PODS}/web", evil_pod())
    server.answer(f"GET {PODS}", pod_list(evil_pod()))
    server.answer(f"GET {EVENTS}", {"kind": "Table", "columnDefinitions": [], "rows": []})
    server.answer("GET /podrun/v1/images/inspect", {"config": {"labels": {"a": EVIL}}})
    server.refuse(f"DELETE {PODS}/web", 500, "InternalError", EVIL)
    run = cli(*words)
    said = run.out + run.err
    assert "real" in said, "control"
    assert not [one for one in said if one != "\n" and (one < " " or "\x7f" <= one < "\xa0")]
