"""What `podrun taint` makes of a node's taints: KEY=VALUE:EFFECT sets, KEY:EFFECT- and KEY- take away. Pure.

Rules and words are kubectl's (pkg/cmd/taint): a taint is one key and one effect, its value may be overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from podrun.errors import PodrunError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

Taint = dict[str, Any]


class Changes(NamedTuple):
    """`remove`: key and effect, which is empty for all effects."""

    set: tuple[Taint, ...]
    remove: tuple[tuple[str, str], ...]


def is_change(word: str) -> bool:
    """What is no name of a node."""
    return "=" in word or ":" in word or (word.endswith("-") and len(word) > 1)


def read(words: Sequence[str]) -> Changes:
    """PodrunError: none, not understood, twice the same, or both set and taken away."""
    wanted: list[Taint] = []
    remove: list[tuple[str, str]] = []
    for word in words:
        if word.endswith("-"):
            key, _, effect = word[:-1].partition(":")
            remove.append((key.partition("=")[0], _effect(effect) if effect else ""))
            continue
        pair, colon, effect = word.rpartition(":")
        key, _, value = pair.partition("=")
        if not colon or not key or "=" in value or ":" in pair:
            raise PodrunError(f"invalid taint spec: {word}")
        taint = {"key": key, **({"value": value} if value else {}), "effect": _effect(effect)}
        if any(_same(taint, one) for one in wanted):
            raise PodrunError(f"duplicated taints with the same key and effect: {key}:{effect}")
        wanted.append(taint)
    if not wanted and not remove:
        raise PodrunError("at least one taint update is required")
    both = [one["key"] for one in wanted if (one["key"], one["effect"]) in remove or (one["key"], "") in remove]
    if both:
        raise PodrunError(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )
    return Changes(tuple(wanted), tuple(remove))


def _effect(word: str) -> str:
    if word not in EFFECTS:
        raise PodrunError(f"invalid taint effect: {word}, unsupported taint effect")
    return word


def changed(node: str, known: Sequence[Taint], changes: Changes, *, overwrite: bool) -> tuple[list[Taint], str]:
    """The taints then, and the word for it. PodrunError: one is there already, or is not there to be taken away."""
    is_there = [one for one in changes.set if any(_same(one, other) for other in known)]
    if is_there and not overwrite:
        raise PodrunError(f"node {node} already has a taint(s) with same effect(s) and --overwrite is false")
    for key, effect in changes.remove:
        if not any(_is_meant(one, key, effect) for one in known):
            raise PodrunError(f'taint "{key}{f":{effect}" if effect else ""}" not found')
    left = [
        one
        for one in known
        if not any(_same(one, other) for other in changes.set)
        and not any(_is_meant(one, key, effect) for key, effect in changes.remove)
    ]
    word = "modified" if is_there or changes.remove else "tainted"
    return [*left, *changes.set], word if changes.set else "untainted"


def _same(one: Taint, other: Taint) -> bool:
    return (one["key"], one["effect"]) == (other["key"], other["effect"])


def _is_meant(one: Taint, key: str, effect: str) -> bool:
    return bool(one["key"] == key and effect in ("", one["effect"]))
