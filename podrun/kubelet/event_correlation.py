"""What becomes of an event that is said again, or nearly so: counted, combined or left out. Pure: the clock is given.

As client-go does it before it writes anything (tools/record/events_cache.go, EventCorrelator). The scheduler's events
go the same way here; kube-scheduler's own recorder does without.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST_REMEMBERED = 4096
"""Of each kind of memory; what was not asked for the longest is forgotten first."""

SIMILAR = 10
"""Events that differ in nothing but their message, from which on they are combined."""

SIMILAR_WITHIN = 600.0
"""Seconds between two similar events after which they count as similar no longer."""

BURST = 25
"""Events that one source may write about one object at once."""

REFILL = 300.0
"""Seconds until it may write one more."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Said:
    """One event as it was said. `source` names who said it, `about` the object by uid, `field_path` a part of it."""

    source: str
    about: str
    field_path: str
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The event to write: the one called `name`, made anew where it is not there. `first` is Unix time."""

    name: str
    message: str
    count: int
    first: float


class _Memory(OrderedDict[K, V], Generic[K, V]):
    def recall(self, key: K) -> V | None:
        if key in self:
            self.move_to_end(key)
        return self.get(key)

    def keep(self, key: K, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > MOST_REMEMBERED:
            self.popitem(last=False)

    def forget(self, is_over: Callable[[V], bool]) -> None:
        """From the oldest on, what means nothing any more."""
        while self and is_over(next(iter(self.values()))):
            self.popitem(last=False)


@dataclass(slots=True)
class _Similar:
    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float


class Correlator:
    """Times are Unix time and must not be compared with those of another process."""

    def __init__(self) -> None:
        self._similar: _Memory[Said, _Similar] = _Memory()
        self._shown: _Memory[Said, Shown] = _Memory()
        self._allowances: _Memory[tuple[str, str], _Allowance] = _Memory()

    def correlate(self, said: Said, name: str, now: float) -> Shown | None:
        """What to write; `name` is for an event that is new. None: its source has said too much about this object.

        What is left out is counted all the same: the next one that is written tells of it.
        """
        key, message = self._combined(said, now)
        before = self._shown.recall(key)
        shown = (
            Shown(name, message, 1, now)
            if before is None
            else Shown(before.name, message, before.count + 1, before.first)
        )
        self._shown.keep(key, shown)
        return shown if self._is_allowed((said.source, said.about), now) else None

    def _combined(self, said: Said, now: float) -> tuple[Said, str]:
        """By what the event is counted, and its message. The first messages stay events of their own."""
        group = Said(said.source, said.about, "", said.type, said.reason, "")
        self._similar.forget(lambda one: now - one.last > SIMILAR_WITHIN)
        similar = self._similar.recall(group)
        if similar is None or now - similar.last > SIMILAR_WITHIN:
            similar = _Similar()
            self._similar.keep(group, similar)
        similar.last = now
        if said.message not in similar.messages:
            if len(similar.messages) + 1 >= SIMILAR:
                return group, f"(combined from similar events): {said.message}"
            similar.messages.add(said.message)
        return said, said.message

    def _is_allowed(self, key: tuple[str, str], now: float) -> bool:
        self._allowances.forget(lambda one: now - one.at > BURST * REFILL)
        allowance = self._allowances.recall(key)
        if allowance is None:
            allowance = _Allowance(BURST, now)
            self._allowances.keep(key, allowance)
        allowance.left = min(BURST, allowance.left + max(0.0, now - allowance.at) / REFILL)
        allowance.at = now
        if allowance.left < 1:
            return False
        allowance.left -= 1
        return True
