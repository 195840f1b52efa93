"""Rows as a Markdown table, and the place in README.md where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from bench.measuring import Row

README = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_HEAD = ("work", "podrun", "beside", "podrun : it", "at most", "runs")


def table(rows: Iterable[Row]) -> str:
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    notes = []
    for row in rows:
        work = row.work
        if row.note:
            notes.append(row.note)
            work += f" [{len(notes)}]"
        lines += _lines(row, work)
    texts = [f"{number}. {note}\n" for number, note in enumerate(notes, 1)]
    return "".join(lines) + "\n" + "".join(texts)


def _lines(row: Row, work: str) -> Iterable[str]:
    own = f"{_number(median(row.own))} {row.unit} ({_number(min(row.own))} to {_number(max(row.own))})"
    runs = "/".join(str(len(values)) for values in row.samples.values())
    peers = row.peers()
    if not peers:
        yield _line((work, own, "", "", row.target, runs))
        return
    beside = "<br>".join(f"{name}: {_number(median(values))} {row.unit}" for name, values in peers.items())
    ratios = "<br>".join(f"{row.ratio(name):.2f}" for name in peers)
    yield _line((work, own, beside, ratios, row.target, runs))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def write(figures: str) -> None:
    """Replace what stands between the marks of README.md."""
    before, _, rest = README.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    README.write_text(before + _BEGIN + figures + _END + after)
