"""/proc/self/mountinfo, proc(5): what is mounted where, as far as anybody here asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    mount_point: str
    optional: tuple[str, ...]  # "shared:1", "master:2"


def read() -> list[Row]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return list(parse(file.read()))


def parse(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        fields = line.split(" ")
        yield Row(_unescaped(fields[4]), tuple(fields[6 : fields.index("-", 6)]))


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
