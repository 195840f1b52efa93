"""Alternating runs and what follows from them: medians, and ratios formed run by run. It does not know what is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. The first subject is podrun; `most` is the target, in the unit or as a ratio to a peer."""

    work: str
    unit: str
    samples: Mapping[str, Sequence[float]]
    target: str = ""
    note: str = ""

    @property
    def own(self) -> Sequence[float]:
        return next(iter(self.samples.values()))

    def peers(self) -> dict[str, Sequence[float]]:
        return dict(list(self.samples.items())[1:])

    def ratio(self, peer: str) -> float:
        """Median of podrun divided by the peer, pair by pair where both ran in the same round."""
        others = self.samples[peer]
        if len(others) == len(self.own):
            return median(own / other for own, other in zip(self.own, others, strict=True))
        return median(self.own) / median(others)


@dataclass(slots=True)
class Alternation:
    """Runs A B C A B C; the first round warms the caches and does not count."""

    rounds: int
    samples: dict[str, list[float]] = field(default_factory=dict)

    def run(self, subjects: Mapping[str, Measure]) -> Alternation:
        for number in range(self.rounds + 1):
            for name, measure in subjects.items():
                value = measure()
                if number:
                    self.samples.setdefault(name, []).append(value)
            show(f"  round {number}/{self.rounds}")
        return self


def show(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
