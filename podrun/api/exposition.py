"""Metrics as Prometheus reads them: its text format, version 0.0.4. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Family:
    """`type` is counter or gauge; a sample is its labels and its value."""

    name: str
    type: str
    help: str
    samples: tuple[tuple[Labels, float], ...]


def text(families: Iterable[Family]) -> str:
    lines = []
    for one in families:
        lines += [f"# HELP {one.name} {_escaped(one.help, quotes=False)}", f"# TYPE {one.name} {one.type}"]
        lines += [f"{one.name}{_labels(labels)} {_number(value)}" for labels, value in one.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quotes=True)}"' for name, value in labels) + "}"


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
