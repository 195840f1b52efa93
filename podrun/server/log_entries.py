"""From entries of a CRI log file to what `logs` prints: pure, bytes in and bytes out.

An entry is `<RFC 3339 time> <stdout|stderr> <F|P> <text>\\n`; P: the line goes on in the next entry
(kubernetes/design-proposals: kubelet-cri-logging).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which text is wanted. `since` is Unix time in seconds, `limit` counts bytes of output."""

    since: float | None = None
    timestamps: bool = False
    limit: int | None = None


class Formatter:
    """Feed it pieces of log files in order, cut anywhere; it gives back the text to send."""

    def __init__(self, selection: Selection, *, in_line: bool = False) -> None:
        """`in_line`: the first entry goes on with a line whose beginning was fed to another one."""
        self._timestamps = selection.timestamps
        self._since = None if selection.since is None else time_key(selection.since)
        self._left = selection.limit
        self._rest = b""
        self._at_line_start = not in_line

    @property
    def is_full(self) -> bool:
        """Whether limitBytes is used up."""
        return self._left is not None and self._left <= 0

    @property
    def pending(self) -> int:
        """Bytes at the end of the last piece that are no whole entry yet."""
        return len(self._rest)

    @property
    def in_line(self) -> bool:
        """Whether the next entry goes on with a line. Known only where times are shown."""
        return not self._at_line_start

    def feed(self, piece: bytes) -> bytes:
        entries = (self._rest + piece).split(b"\n")
        self._rest = entries.pop()
        if self._since is not None:
            entries = self._from_since(entries)
        text = self._with_times(entries) if self._timestamps else self._plain(entries)
        if self._left is not None:
            text = text[: max(self._left, 0)]
            self._left -= len(text)
        return text

    def _plain(self, entries: list[bytes]) -> bytes:
        parts: list[bytes] = []
        for entry in entries:
            head = entry.split(b" ", 3)
            if len(head) == 4:
                parts.append(head[3])
                if not head[2].startswith(b"P"):
                    parts.append(b"\n")
        return b"".join(parts)

    def _with_times(self, entries: list[bytes]) -> bytes:
        parts: list[bytes] = []
        for entry in entries:
            head = entry.split(b" ", 3)
            if len(head) == 4:
                if self._at_line_start:
                    parts += (head[0], b" ")
                parts.append(head[3])
                self._at_line_start = not head[2].startswith(b"P")
                if self._at_line_start:
                    parts.append(b"\n")
        return b"".join(parts)

    def _from_since(self, entries: list[bytes]) -> list[bytes]:
        """Entries are written in the order of time: once one is late enough, so are all after it."""
        assert self._since is not None
        for place, entry in enumerate(entries):
            if _entry_key(entry) >= self._since:
                self._since = None
                return entries[place:]
        return []


def time_key(seconds: float) -> bytes:
    """Something that sorts as the times of entries do."""
    whole = datetime.fromtimestamp(seconds, UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S").encode() + b"%06d000" % whole.microsecond


def _entry_key(entry: bytes) -> bytes:
    time = entry.partition(b" ")[0]
    return time[:19] + time[20:].rstrip(b"Z").ljust(9, b"0")


def is_line_end(entry: bytes) -> bool:
    """Whether a line of the container ends with this entry; what is no entry at all counts as one."""
    head = entry.split(b" ", 3)
    return len(head) < 4 or not head[2].startswith(b"P")
