"""What a container writes, from its pipes into its log file, in the CRI log format, with rotation.

It never blocks a container for the disk's sake: where there is no room, lines are dropped. Attached clients get the raw
bytes at the same time. Rotated files but the newest are handed on to be compressed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import termios
import time
from collections.abc import Callable
from typing import Protocol

LONGEST_LINE = 16 << 10  # bytes of text in one entry; what is longer goes into several, tagged P but for the last
MOST_BYTES = 10 << 20  # of one file
MOST_FILES = 5  # of one run, with the current one
BATCH = 64 << 10  # what one read may take: the capacity of a pipe
_MOST_IN_TERMINAL = 256 << 10  # more than the kernel keeps between the two ends (tty_buffer.c)


class Outlet(Protocol):
    """Where the raw bytes go besides."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_full(self) -> bool: ...

    def write(self, batch: bytes) -> None: ...

    def finish(self) -> None: ...


class LogFile:
    """`<n>.log`, and beside it the rotated `<n>.log.<YYYYMMDD-hhmmss>`. Raises OSError when opened, and never later."""

    def __init__(
        self,
        path: str,
        most_bytes: int = MOST_BYTES,
        most_files: int = MOST_FILES,
        compress: Callable[[str], None] | None = None,
    ) -> None:
        """`compress` is called with each rotated file but the newest."""
        self._path = path
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._compress = compress
        self._rotated_at = 0.0
        self._fd = self._open()
        self._size = os.fstat(self._fd).st_size

    def append(self, entries: bytes) -> None:
        """Whole entries, all or their beginning, as the disk has room."""
        if self._size and self._size + len(entries) > self._most_bytes:
            with contextlib.suppress(OSError):
                self._rotate()
        try:
            written = os.write(self._fd, entries)
        except OSError:
            return
        if written < len(entries):
            written = entries.rfind(b"\n", 0, written) + 1
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size + written)
        self._size += written

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, flags, 0o640)

    def _rotate(self) -> None:
        directory, name = os.path.split(self._path)
        older = sorted(entry for entry in os.listdir(directory) if entry.startswith(name + "."))
        for entry in older[: max(len(older) - (self._most_files - 2), 0)]:
            with contextlib.suppress(FileNotFoundError):  # it has just been compressed
                os.unlink(os.path.join(directory, entry))
        # Never the same second twice, or one rotation would overwrite the other. UTC: clocks are not put back.
        self._rotated_at = max(time.time(), self._rotated_at + 1)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._rotated_at))
        os.rename(self._path, os.path.join(directory, f"{name}.{stamp}"))
        fresh = self._open()
        os.close(self._fd)
        self._fd, self._size = fresh, 0
        if self._compress is not None:
            for entry in older[max(len(older) - (self._most_files - 2), 0) :]:
                if not entry.endswith((".gz", ".tmp")):
                    self._compress(os.path.join(directory, entry))


class LogStream:
    """One of a run's two pipes, or its terminal: cuts its bytes into entries. `name` is "stdout" or "stderr"."""

    def __init__(self, pipe: int, name: str, file: LogFile) -> None:
        self.pipe = pipe
        self.name = name
        self.outlets: list[Outlet] = []
        self._name = name.encode()
        self._file = file
        self._rest = b""  # the beginning of a line whose end has not come
        self.logged = 0  # bytes that went into the log

    @property
    def unfinished(self) -> bytes:
        """What was read and is not in the log yet."""
        return self._rest

    def pump(self) -> bool:
        """Move what one read gives. False at the end of the pipe, which is then written out."""
        try:
            batch = os.read(self.pipe, BATCH)
        except BlockingIOError:
            return True
        except OSError:  # EIO: nobody has the terminal open any more
            batch = b""
        if not batch:
            self._finish()
            return False
        self.write(batch)
        return True

    def drain(self) -> None:
        """Move what is in the pipe now, and no more: when all writers are dead this is everything, and where a program
        elsewhere was given the pipe it can't keep us."""
        left = _MOST_IN_TERMINAL
        if stat.S_ISFIFO(os.fstat(self.pipe).st_mode):
            left = struct.unpack("i", fcntl.ioctl(self.pipe, termios.FIONREAD, b"\0\0\0\0"))[0]
        while left > 0:
            try:
                batch = os.read(self.pipe, min(left, BATCH))
            except OSError:  # EAGAIN: somebody who was given the pipe reads it, too; EIO: the end of a terminal
                break
            if not batch:
                break
            left -= len(batch)
            self.write(batch)
        self._finish()

    def write(self, batch: bytes) -> None:
        for outlet in tuple(self.outlets):
            outlet.write(batch)
        before = len(self._rest) + len(batch)
        entries, self._rest = format_entries(self._rest + batch, b"%s %s " % (_now(), self._name))
        self.logged += before - len(self._rest)
        if entries:
            self._file.append(entries)

    @property
    def is_held_back(self) -> bool:
        """Nothing should be pumped for now."""
        return any(outlet.is_full for outlet in self.outlets)

    def forget_closed_outlets(self) -> None:
        self.outlets = [outlet for outlet in self.outlets if outlet.is_open]

    def _finish(self) -> None:
        # An unterminated last line is tagged P, as containerd does: readers print it without a newline of their own.
        if self._rest:
            self._file.append(b"%s %s P %s\n" % (_now(), self._name, self._rest))
            self.logged += len(self._rest)
            self._rest = b""


def format_entries(text: bytes, head: bytes) -> tuple[bytes, bytes]:
    """Entries for the whole lines of `text`, and its unfinished rest of at most 16 KiB.

    `head` is time and stream, with a space behind.
    """
    end = text.rfind(b"\n")
    lines, rest = text[: max(end, 0)], text[end + 1 :]
    if end < 0:
        entries = b""
    elif _has_long_line(lines):
        entries = b"".join(_cut(line, head) + b"\n" for line in lines.split(b"\n"))
    else:
        full = head + b"F "
        entries = b"".join((full, lines.replace(b"\n", b"\n" + full), b"\n"))
    while len(rest) > LONGEST_LINE:
        entries += head + b"P " + rest[:LONGEST_LINE] + b"\n"
        rest = rest[LONGEST_LINE:]
    return entries, rest


def _has_long_line(lines: bytes) -> bool:
    """Whether a line may be longer than an entry: within such a line lies an aligned window of half that length."""
    if len(lines) <= LONGEST_LINE:
        return False
    window = LONGEST_LINE // 2
    return any(lines.find(b"\n", at, at + window) < 0 for at in range(0, len(lines) - window + 1, window))


def _cut(line: bytes, head: bytes) -> bytes:
    parts = [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [b""]
    tags = [b"P "] * (len(parts) - 1) + [b"F "]
    return b"\n".join(head + tag + part for tag, part in zip(tags, parts, strict=True))


_second = 0
_second_text = ""


def _now() -> bytes:
    """RFC 3339 with nanoseconds, UTC."""
    global _second, _second_text
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    if second != _second:
        _second, _second_text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_second_text}.{nanoseconds:09d}Z".encode()
