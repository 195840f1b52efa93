"""The tokens of exec and attach: they expire, and they are not hoarded."""

from __future__ import annotations

import pytest

from podrun.shim import messages, tickets

WANTED = messages.PrepareAttach("t", "web", 0)


def test_a_ticket_is_good_for_one_use() -> None:
    waiting = tickets.Tickets()
    waiting.put("a", WANTED)
    assert waiting.take("b") is None
    assert waiting.take("a") is WANTED
    assert waiting.take("a") is None


def test_a_ticket_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "TOKEN_SECONDS", -1.0)
    waiting = tickets.Tickets()
    waiting.put("late", WANTED)
    assert waiting.take("late") is None


def test_tickets_are_bounded() -> None:
    waiting = tickets.Tickets()
    for n in range(tickets.MOST_TOKENS):
        waiting.put(str(n), WANTED)
    with pytest.raises(tickets.FullError):
        waiting.put("one more", WANTED)
