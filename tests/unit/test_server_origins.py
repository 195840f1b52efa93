"""Programs reach the API whatever leads to it; web pages do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.server import origins
from tests.fakes.api_server import PODS, Api, play


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, None),
        ("podrun", None),
        ("localhost:8001", None),
        ("127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("[::1]:8001", None),
        ("10.1.2.3", None),
    ],
)
def test_a_program_is_let_in(host: str | None, origin: str | None) -> None:
    assert origins.objection(host, origin) == ""


@pytest.mark.parametrize(
    ("host", "origin", "said"),
    [
        ("127.0.0.1:8001", "https://example.org", 'origin is "https://example.org"'),
        ("127.0.0.1:8001", "null", 'origin is "null"'),
        ("localhost:8001", "http://localhost:3000", "origin"),
        ("example.org:8001", None, 'host "example.org:8001"'),
        ("example.org:8001", "http://example.org:8001", "host"),
        ("127.0.0.1.example.org", None, "host"),
        ("[::1", None, "host"),
    ],
)
def test_a_page_is_not(host: str, origin: str | None, said: str) -> None:
    assert said in origins.objection(host, origin)


def test_the_server_looks(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        refused = await api.ask("GET", PODS, Origin="https://example.org")
        assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
        assert (await api.ask("GET", PODS, Host="127.0.0.1:8001")).status == 200

    play(tmp_path, scenario)
