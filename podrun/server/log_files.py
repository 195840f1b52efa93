"""The files of one run's log: `<n>.log` and the rotated `<n>.log.<stamp>`, read in order, from the end, and onwards.

Compressed pieces are left out, whole ones and those in the making. Reading is by descriptor, so rotation while reading
loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from podrun.server import log_entries
from podrun.server.log_frames import Mark

BLOCK = 128 << 10
LONGEST_TIME = 40  # bytes; as 2026-01-02T03:04:05.123456789Z

_LOG = re.compile(r"(\d+)\.log")
_ROTATED = re.compile(r"\.[-\d]+")  # behind the name of the file that is written to


def attempts(directory: Path) -> list[int]:
    """Numbers of the runs that have a log, ascending."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for found in map(_LOG.fullmatch, names) if found)


class RunLog:
    """A cursor over all pieces of one run's log. Close it."""

    def __init__(self, directory: Path, attempt: int) -> None:
        self._directory = directory
        self._name = f"{attempt}.log"
        self._pieces: list[int] = []
        self._inode = -1
        self._open_pieces()

    def close(self) -> None:
        for fd in self._pieces:
            os.close(fd)
        self._pieces.clear()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, *, onward: bool = True) -> bytes:
        """The next piece of text; empty at the end, for now. `onward`: goes over to files that rotations begin."""
        while self._pieces:
            if text := os.read(self._pieces[0], BLOCK):
                return text
            if len(self._pieces) == 1 and not (onward and self._was_rotated()):
                return b""
            # Written to between the two looks? After the rename nothing is added to it.
            if text := os.read(self._pieces[0], BLOCK):
                return text
            done = self._pieces.pop(0)
            self._inode = os.fstat(done).st_ino
            if not self._pieces:
                self._open_pieces()
            os.close(done)
        self._open_pieces()
        return os.read(self._pieces[0], BLOCK) if self._pieces else b""

    def mark(self, pending: int) -> Mark | None:
        """Where reading stands, less `pending` bytes; None where there is no file."""
        if not self._pieces:
            return None
        offset = os.lseek(self._pieces[0], 0, os.SEEK_CUR)
        return Mark(os.fstat(self._pieces[0]).st_ino, _born(self._pieces[0]), max(offset - pending, 0))

    def go_to(self, mark: Mark) -> None:
        """Go on there. Where the file is gone, whatever is still here came after it."""
        for place, fd in enumerate(self._pieces):
            status = os.fstat(fd)
            if status.st_ino == mark.inode and status.st_size >= mark.offset and mark.born in ("", _born(fd)):
                os.lseek(fd, mark.offset, os.SEEK_SET)
                self._drop(place)
                return

    def skip_to_last(self, lines: int) -> None:
        """Move to where the last `lines` lines begin, looking from the end; an unfinished line counts."""
        wanted = lines
        for place in range(len(self._pieces) - 1, -1, -1):
            fd = self._pieces[place]
            start, wanted = _find_last_lines(fd, wanted, newest=place == len(self._pieces) - 1)
            os.lseek(fd, start, os.SEEK_SET)
            if wanted < 0:
                self._drop(place)
                return

    def _drop(self, count: int) -> None:
        """The oldest pieces are not wanted."""
        for fd in self._pieces[:count]:
            os.close(fd)
        del self._pieces[:count]

    def _was_rotated(self) -> bool:
        try:
            return os.stat(self._directory / self._name).st_ino != os.fstat(self._pieces[0]).st_ino
        except FileNotFoundError:
            return False

    def _open_pieces(self) -> None:
        """Open what comes after the piece that was read last (after none: everything), oldest first."""
        # The current one first: a piece renamed meanwhile is found twice, never missed.
        fds = _open_all(self._directory, [self._name])
        rotated = _open_all(self._directory, self._rotated())
        inodes = [os.fstat(fd).st_ino for fd in rotated + fds]
        pieces = rotated + fds
        start = inodes.index(self._inode) + 1 if self._inode in inodes else 0
        seen: set[int] = set()
        for place, (fd, inode) in enumerate(zip(pieces, inodes, strict=True)):
            if place < start or inode in seen:
                os.close(fd)
            else:
                seen.add(inode)
                self._pieces.append(fd)

    def _rotated(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            names = os.listdir(self._directory)
            return sorted(name for name in names if _ROTATED.fullmatch(name.removeprefix(self._name)))
        return []


def _born(fd: int) -> str:
    """The time of a file's first entry; empty where there is none yet."""
    return os.pread(fd, LONGEST_TIME, 0).partition(b" ")[0].decode(errors="replace")


def _open_all(directory: Path, names: list[str]) -> list[int]:
    fds = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            fds.append(os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
    return fds


def _find_last_lines(fd: int, lines: int, *, newest: bool) -> tuple[int, int]:
    """Where the last `lines` lines of a file begin, and how many are still wanted from older ones; -1: none, the
    beginning was found. The end of the newest file ends a line even where its last entry does not say so."""
    wanted = lines
    for place, (start, entry) in enumerate(_entries_backwards(fd)):
        if log_entries.is_line_end(entry) or (newest and place == 0):
            if wanted == 0:
                return start + len(entry) + 1, -1
            wanted -= 1
    return 0, wanted


def _entries_backwards(fd: int) -> Iterator[tuple[int, bytes]]:
    """Whole entries with the offsets they start at, the last one first; a torn end is passed over."""
    end = os.fstat(fd).st_size
    rest = b""  # of the entry whose beginning lies further up
    torn = True
    while end > 0:
        start = max(0, end - BLOCK)
        block = os.pread(fd, end - start, start) + rest
        at = start + len(block)
        first, *entries = block.split(b"\n")
        for entry in reversed(entries):
            at -= len(entry)
            if not torn:
                yield at, entry
            torn = False
            at -= 1
        rest = first
        end = start
    if not torn:
        yield 0, rest
