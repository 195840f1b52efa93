"""/proc/self/mountinfo, proc(5): what is mounted where, as far as anybody here asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    mount_point: str
    optional: tuple[str, ...]  # "shared:1", "master:2"
    root: str = "/"  # what of the file system is mounted there
    readonly: bool = False
    fstype: str = ""
    options: str = ""  # of the file system, separated by commas


def read() -> list[Row]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return list(parse(file.read()))


def parse(text: str) -> Iterator[Row]:
    for line in filter(None, text.split("\n")):  # no other character ends a line: paths may hold all of them
        fields = line.split(" ")
        dash = fields.index("-", 6)
        yield Row(
            _unescaped(fields[4]),
            tuple(fields[6:dash]),
            root=_unescaped(fields[3]),
            readonly="ro" in fields[5].split(","),
            fstype=fields[dash + 1],
            options=fields[-1],
        )


def mount_of(path: str, rows: list[Row]) -> Row | None:
    """The mount that an absolute path without links lies in; of several on one point, the topmost."""
    found = None
    for row in rows:
        point = row.mount_point.rstrip("/")
        inside = path == point or path.startswith(f"{point}/")
        if inside and (found is None or len(row.mount_point) >= len(found.mount_point)):
            found = row
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
