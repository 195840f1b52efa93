"""Who shares which namespace: a row for each kind, a column for pause and each container, lines between. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podrun.cli.drawing import Branch, Line, Span, shown

KINDS = ("net", "ipc", "uts", "pid", "mnt", "cgroup", "user")
KIND = 8  # columns of the kind
CELL = 14
GUIDE = 6  # columns that are drawn to the left
DOT = 4  # columns from the left of a cell


def branch(members: Mapping[str, Any], machine: Mapping[str, int], width: int) -> Branch:
    """`members`: pause first. `machine`: the numbers of the machine's own."""
    names = list(members)
    most = max(2, (width - GUIDE - KIND) // CELL)
    lines: list[Line] = []
    rest = names[1:]
    while rest or not lines:
        shown_now, rest = [names[0], *rest[: most - 1]], rest[most - 1 :]
        lines += _block(shown_now, members, machine)
    return Branch(Line((Span("namespaces", "strong"), Span("  equal numbers are shared", "quiet"))), tuple(lines))


def _block(names: Sequence[str], members: Mapping[str, Any], machine: Mapping[str, int]) -> Iterator[Line]:
    yield Line((Span(" " * KIND), *(Span(_fitted(shown(name)), "name") for name in names)))
    any_of_machine = False
    for kind in KINDS:
        numbers = [members[name]["namespaces"].get(kind, 0) for name in names]
        any_of_machine |= machine.get(kind) in numbers
        yield Line((Span(kind.ljust(KIND), "strong"), *_cells(numbers, machine.get(kind, 0))))
    if any_of_machine:
        yield Line((Span(" " * KIND), Span("* the machine's own", "warn")))


def _fitted(name: str) -> str:
    return (name if len(name) < CELL else f"{name[: CELL - 2]}…").ljust(CELL)


def _cells(numbers: Sequence[int], of_machine: int) -> Iterator[Span]:
    """A number where it first stands; in the cells right of it that have the same, a dot on a line."""
    counts = Counter(numbers)
    for position, number in enumerate(numbers):
        goes_on = position + 1 < len(numbers) and numbers[position + 1] == number
        style = "warn" if number == of_machine else "shared" if counts[number] > 1 else ""
        if position and numbers[position - 1] == number:
            text = "─" * (DOT - 1) + " ● " if goes_on else "─" * (DOT - 1) + " ●"
        else:
            text = f"{number}{'*' if number == of_machine else ' '}"
        yield Span(text.ljust(CELL, "─" if goes_on else " "), style)
