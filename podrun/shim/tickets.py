"""What clients may ask for who show a token: prepared by the kubelet, good for one use and one minute."""

from __future__ import annotations

import time

from podrun.container.plan import ExecPlan
from podrun.shim.messages import PrepareAttach

TOKEN_SECONDS = 60.0
MOST_TOKENS = 1000

Ticket = ExecPlan | PrepareAttach


class FullError(Exception):
    """Too many wait already."""

    def __str__(self) -> str:
        return f"{MOST_TOKENS} tokens are waiting already"


class Tickets:
    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Ticket, float]] = {}  # with their end, by the monotonic clock

    def put(self, token: str, ticket: Ticket) -> None:
        """Raises FullError."""
        self._forget_expired()
        if len(self._waiting) >= MOST_TOKENS:
            raise FullError
        self._waiting[token] = ticket, time.monotonic() + TOKEN_SECONDS

    def take(self, token: str) -> Ticket | None:
        self._forget_expired()
        ticket, _ = self._waiting.pop(token, (None, 0.0))
        return ticket

    def _forget_expired(self) -> None:
        now = time.monotonic()
        self._waiting = {token: entry for token, entry in self._waiting.items() if entry[1] > now}
