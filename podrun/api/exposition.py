"""Metrics as Prometheus reads them: its text format, version 0.0.4, numbers as its Go client writes them. Pure.

The Python client is no help: it gives every counter the ending `_total`, which some of the kubelet's have not, and says
`le="1.0"` where kubelets say `le="1"`, which is another series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of a histogram: how many values lie below each bound and above the one before, and then above all of them."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Family:
    """`type` is counter, gauge or histogram; a sample is its labels and its value."""

    name: str
    type: str
    help: str
    samples: tuple[tuple[Labels, float | Distribution], ...]


def text(families: Iterable[Family]) -> str:
    lines = []
    for one in families:
        lines += [f"# HELP {one.name} {_escaped(one.help, quotes=False)}", f"# TYPE {one.name} {one.type}"]
        for labels, value in one.samples:
            if isinstance(value, Distribution):
                lines += _distribution(one.name, labels, value)
            else:
                lines.append(f"{one.name}{_labels(labels)} {_number(value)}")
    return "".join(f"{line}\n" for line in lines)


def _distribution(name: str, labels: Labels, value: Distribution) -> Iterator[str]:
    total = 0
    for bound, count in zip((*map(_number, value.bounds), "+Inf"), value.counts, strict=True):
        total += count
        yield f"{name}_bucket{_labels((*labels, ('le', bound)))} {total}"
    yield f"{name}_sum{_labels(labels)} {_number(value.sum)}"
    yield f"{name}_count{_labels(labels)} {total}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quotes=True)}"' for name, value in labels) + "}"


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
