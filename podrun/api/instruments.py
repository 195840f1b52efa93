"""What is counted and measured while the kubelet runs, in the shapes that exposition.py shows. Pure: nobody's clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from podrun.api.exposition import Distribution, Family

DEFAULT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; DefBuckets of Prometheus' Go client."""


def exponential_bounds(start: float, factor: float, count: int) -> tuple[float, ...]:
    """ExponentialBuckets of Prometheus' Go client, rounding errors included."""
    bounds = [start]
    while len(bounds) < count:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


class Histogram:
    """How many of the observed values were at most each of the bounds."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...] = DEFAULT_BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def shown(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._sum)


class Histograms:
    """One for each combination of values of `labels`."""

    def __init__(
        self, name: str, help: str, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = DEFAULT_BOUNDS
    ) -> None:
        self._name, self._help, self._labels, self._bounds = name, help, labels, bounds
        self._children: dict[tuple[str, ...], Histogram] = {}
        if not labels:
            self.of()

    def of(self, *values: str) -> Histogram:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Histogram(self._bounds)
        return child

    def family(self) -> Family:
        return histogram_family(
            self._name,
            self._help,
            ((zip(self._labels, values, strict=True), one) for values, one in self._children.items()),
        )


class Counter:
    """A number for each combination of values of `labels`; it only rises."""

    def __init__(self, name: str, help: str, labels: tuple[str, ...] = ()) -> None:
        self._name, self._help, self._labels = name, help, labels
        self._counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def add(self, *values: str) -> None:
        self._counts[values] = self._counts.get(values, 0) + 1

    def family(self) -> Family:
        samples = ((tuple(zip(self._labels, values, strict=True)), n) for values, n in self._counts.items())
        return Family(self._name, "counter", self._help, tuple(samples))


def histogram_family(name: str, help: str, found: Iterable[tuple[Iterable[tuple[str, str]], Histogram]]) -> Family:
    return Family(name, "histogram", help, tuple((tuple(labels), one.shown()) for labels, one in found))
