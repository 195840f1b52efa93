"""The processes of one container as branches: numbers inside of it, what they run, numbers outside. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from podrun.cli.drawing import Branch, Line, Span, shown

Json = dict[str, Any]

DEEPEST = 12  # levels; what is deeper stands on the last of them
MOST_ALIKE = 5


def process_branches(processes: Sequence[Json], more: int) -> tuple[Branch, ...]:
    """`more` are those that were not looked at. Children whose parent is not among them stand at the top."""
    numbers = {one["pid"] for one in processes}
    children: dict[int, list[Json]] = {}
    for one in processes:
        parent = one["parent"] if one["parent"] in numbers and one["parent"] != one["pid"] else 0
        children.setdefault(parent, []).append(one)
    column = max((len(str(one["innerPid"])) for one in processes), default=1)
    branches = _all(children.pop(0, []), children, column, DEEPEST)
    if more:
        branches.append(_note(f"… and {more} more process{'es' if more > 1 else ''}", "warn"))
    return tuple(branches)


def _all(siblings: Sequence[Json], children: dict[int, list[Json]], column: int, levels: int) -> list[Branch]:
    """Of many in a row that look the same and have no children, the first."""
    branches: list[Branch] = []
    for (_, has_children), group in itertools.groupby(siblings, lambda one: (_traits(one), one["pid"] in children)):
        alike = list(group)
        folds = not has_children and len(alike) > MOST_ALIKE
        for one in alike[:1] if folds else alike:
            branches += _branches(one, children, column, levels)
        if folds:
            branches.append(_note(f"… {len(alike) - 1} more like it", "quiet"))
    return branches


def _branches(one: Json, children: dict[int, list[Json]], column: int, levels: int) -> list[Branch]:
    """One branch; at the deepest level its offspring stand beside it."""
    below = _all(children.pop(one["pid"], []), children, column, max(levels - 1, 0))
    if levels > 0:
        return [Branch(_line(one, column), (), tuple(below))]
    return [Branch(_line(one, column)), *below]


def _traits(one: Json) -> tuple[object, ...]:
    return _command(one), one["uid"], one["state"] in "ZT", one["threads"], one.get("apart")


def _note(text: str, style: str) -> Branch:
    return Branch(Line((Span(text, style),)))


def _line(one: Json, column: int) -> Line:
    spans = [Span(str(one["innerPid"]).ljust(column), "strong"), Span(f" {_command(one)}")]
    if one["state"] == "Z":
        spans.append(Span(" zombie", "bad"))
    elif one["state"] == "T":
        spans.append(Span(" stopped", "warn"))
    if one["threads"] > 1:
        spans.append(Span(f" · {one['threads']} threads", "quiet"))
    if one.get("apart"):
        spans.append(Span(f" · own {' '.join(one['apart'])}", "warn"))
    if one["uid"]:
        spans.append(Span(f" · uid {one['uid']}", "quiet"))
    return Line(tuple(spans), (Span(f"host {one['pid']}", "quiet"),) if one["innerPid"] != one["pid"] else ())


def _command(one: Json) -> str:
    """As a shell would show it, without words that titles leave behind them."""
    words = list(one["argv"])
    while words and not words[-1]:
        words.pop()
    return shown(" ".join(words)) if words else f"[{shown(one['name'])}]"
