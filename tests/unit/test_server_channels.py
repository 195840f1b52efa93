"""What kubectl's WebSocket messages say, and what is said to it."""

from __future__ import annotations

import json

import pytest

from podrun.server import channels


@pytest.mark.parametrize(
    ("message", "parsed"),
    [
        (b"\x00typed", channels.Input(b"typed")),
        (b"\x00\x00\xff", channels.Input(b"\x00\xff")),
        (b"\xff\x00", channels.EndOfInput()),
        (b'\x04{"Width":80,"Height":24}\n', channels.Resize(24, 80)),
        (b"", None),
        (b"\x00", None),
        (b"\xff", None),
        (b"\xff\x01", None),
        (b"\x01what only the server says", None),
        (b'\x04{"Width":80}', None),
        (b'\x04{"Width":80,"Height":70000}', None),
        (b'\x04{"Width":80,"Height":-1}', None),
        (b'\x04{"Width":80,"Height":"24"}', None),
        (b"\x04[]", None),
        (b"\x04\xff", None),
    ],
)
def test_a_message_of_a_client(message: bytes, parsed: object) -> None:
    assert channels.parse(message) == parsed


def test_the_last_message_has_the_exit_code_where_kubectl_looks_for_it() -> None:
    assert channels.ended(0)[:1] == b"\x03"
    assert json.loads(channels.ended(0)[1:])["status"] == "Success"
    status = json.loads(channels.ended(137)[1:])
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "137"}]
