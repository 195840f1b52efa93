"""Text in columns as Go's text/tabwriter sets it: a cell ends with a tab, the last one of a line pads nothing."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(text: str, *, padding: int, least: int = 0) -> str:
    """`text` with its tabs turned into spaces. A column is a run of lines that have a cell there."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[0] * (len(line) - 1) for line in lines]
    for column in range(max(len(line) for line in lines) - 1):
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(widths[end]) > column:
                end += 1
            if end > start:
                width = max(least, padding + max(len(line[column]) for line in lines[start:end]))
                for row in range(start, end):
                    widths[row][column] = width
            start = end + 1
    return "\n".join(_set(line, width) for line, width in zip(lines, widths, strict=True))


def _set(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)) + cells[-1]


class Table:
    """kubectl's tables: at least six wide, three spaces apart. Widths are kept while rows come one by one."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def rows(self, rows: Sequence[Sequence[str]]) -> list[str]:
        for row in rows:
            self._widths += [6] * (len(row) - len(self._widths))
            for column, cell in enumerate(row):
                self._widths[column] = max(self._widths[column], len(cell) + 3)
        return [
            "".join(cell.ljust(width) for cell, width in zip(row[:-1], self._widths, strict=False)) + row[-1]
            for row in rows
        ]
