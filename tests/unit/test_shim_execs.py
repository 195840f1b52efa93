"""The tokens of an exec: they expire, and they are not hoarded."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from podrun.container import plan
from podrun.shim import execs, messages, wire
from podrun.shim.connection import Connection
from podrun.shim.loop import Loop

PLAN = plan.ExecPlan("web", 0, ("true",), (), "/", "/nowhere", plan.Identity())


class Client:
    def __init__(self) -> None:
        loop = Loop(lambda error: None)
        ours, self.socket = socket.socketpair()
        self.connection = Connection(loop, ours, lambda *_: None, lambda _: None)
        self.execs = execs.Execs(loop, lambda container, attempt: os.O_RDONLY)
        self.socket.settimeout(5)

    def reply(self) -> object:
        return wire.decode(self.socket.recv(65536))[1]

    def prepare(self, token: str) -> object:
        self.execs.prepare(self.connection, 1, messages.PrepareExec(token, PLAN))
        return self.reply()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.connection.close()
    client.socket.close()


def test_a_token_expires(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execs, "TOKEN_SECONDS", -1.0)
    assert client.prepare("late") == messages.Done()
    client.execs.start(client.connection, 2, messages.Exec("late"))
    refused = client.reply()
    assert isinstance(refused, messages.Refused)
    assert "expired" in refused.message


def test_tokens_are_bounded(client: Client) -> None:
    replies = [client.prepare(str(n)) for n in range(execs.MOST_TOKENS + 1)]
    assert replies[:-1] == [messages.Done()] * execs.MOST_TOKENS
    assert isinstance(replies[-1], messages.Refused)
