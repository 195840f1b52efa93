"""The facts of one pod in one file, written before anyone is told; and the attempts begun, so that none runs twice.

First a header with the boot's id and the number that it counts on from, then a JSON line for each fact or beginning.
It leaves out fsync: what a journal says means something only until the machine stops, and the page cache outlives every
process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
from dataclasses import dataclass

from podrun.linux import syscall
from podrun.shim import facts, wire

VERSION = 1
COMPACT_ABOVE = 32 << 10  # bytes
RESERVE = 16 << 10  # bytes kept allocated behind the end: some 80 facts on a disk that is full

_FALLOC_FL_KEEP_SIZE = 1
_fallocate = syscall.declare("fallocate64", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class JournalError(Exception):
    """The file was written by a newer version, or holds a line that is none of a journal."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt is about to be made, in this cgroup. An empty container stands for the sandbox."""

    container: str
    attempt: int
    id: str
    cgroup: str


@dataclass(slots=True)
class _Contents:
    facts: list[facts.Numbered]
    begun: list[Begun]
    base: int  # facts are numbered from here on
    good: int  # bytes up to the last whole line


def read(path: str, boot_id: str) -> tuple[facts.Numbered, ...]:
    """The facts of a journal whose shim may be dead; none when it is absent or of another boot.

    Raises OSError and JournalError.
    """
    try:
        with open(path, "rb") as file:
            contents = _parse(file.read(), boot_id)
    except FileNotFoundError:
        return ()
    return tuple(contents.facts) if contents else ()


class Journal:
    """Open for appending, by the one shim that holds the pod's lock. Raises OSError and JournalError when opened.

    `after` is the newest number that the kubelet has ever seen of this pod: where an earlier journal is lost or of
    another boot, the new one counts on from there, so that no fact is taken for one that is known.
    """

    def __init__(self, path: str, boot_id: str, after: int = 0) -> None:
        self._path = path
        self._boot_id = boot_id
        self._base = after
        self._acknowledged = 0
        self._waiting: list[facts.Fact] = []
        self.fd = self._open()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self.fd)

    @property
    def last(self) -> int:
        return self._facts[-1].n if self._facts else self._base

    @property
    def has_waiting(self) -> bool:
        """Facts that found the disk full, reserve included: they are written, and told, by a later append."""
        return bool(self._waiting)

    def after(self, n: int) -> list[facts.Numbered]:
        return [numbered for numbered in self._facts if numbered.n > n]

    def unfinished(self) -> list[Begun]:
        """What has begun and not ended: at the opening, what a dead shim left behind. Runs come before the sandbox."""
        return sorted(self._begun.values(), key=lambda begun: begun.container == "")

    def begin(self, begun: Begun) -> None:
        """Write that an attempt is to be made. Raises OSError, and then it must not be made."""
        self._write(_begun_line(begun))
        self._begun[begun.container, begun.attempt] = begun

    def append(self, *news: facts.Fact) -> list[facts.Numbered]:
        """Write `news`, and what had to wait before it. Returns what is written now and may be told."""
        self._waiting += news
        written: list[facts.Numbered] = []
        while self._waiting:
            numbered = facts.Numbered(self.last + 1, self._waiting[0])
            try:
                self._write(wire.encode(numbered))
            except OSError:
                break
            self._facts.append(numbered)
            self._close_begun(numbered.fact)
            written.append(self._facts[-1])
            del self._waiting[0]
        return written

    def acknowledge(self, n: int) -> None:
        """The kubelet has everything up to `n`: above 32 KiB it is forgotten, save the newest of each kind."""
        self._acknowledged = max(self._acknowledged, min(n, self.last))
        if self._size > COMPACT_ABOVE:
            with contextlib.suppress(OSError):  # no room for a second file: the old one stays
                self._compact()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

    def _load(self) -> None:
        raw = _read_all(self.fd)
        contents = _parse(raw, self._boot_id)
        if contents is None:
            os.rename(self._path, self._path + ".old")
            os.close(self.fd)
            self.fd = self._open()
            raw, contents = b"", _Contents([], [], self._base, 0)
        if contents.good < len(raw):
            os.ftruncate(self.fd, contents.good)
        self._facts = contents.facts
        self._begun = {(begun.container, begun.attempt): begun for begun in contents.begun}
        for numbered in self._facts:
            self._close_begun(numbered.fact)
        self._size = contents.good
        self._allocated = self._size
        if self._size:
            self._base = contents.base
        else:
            self._write(_header(self._boot_id, self._base))

    def _write(self, line: bytes) -> None:
        """One whole line or nothing, with the reserve behind it. Raises OSError."""
        if self._size + len(line) + RESERVE // 2 > self._allocated:
            self._allocate()
        written = os.write(self.fd, line)
        if written < len(line):
            os.ftruncate(self.fd, self._size)
            self._allocated = self._size
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _allocate(self) -> None:
        # A failure is no error yet: what was allocated earlier may still hold the line, and write() will tell.
        if _fallocate(self.fd, _FALLOC_FL_KEEP_SIZE, self._size, RESERVE) == 0:
            self._allocated = self._size + RESERVE

    def _compact(self) -> None:
        kept = self._worth_keeping()
        lines = [_header(self._boot_id, self._base), *map(_begun_line, self._begun.values()), *map(wire.encode, kept)]
        text = b"".join(lines)
        aside = self._path + ".new"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(aside, flags, 0o600)
        try:
            syscall.check(_fallocate(fd, _FALLOC_FL_KEEP_SIZE, 0, len(text) + RESERVE), "fallocate", aside)
            if os.write(fd, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(aside, self._path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            raise
        os.close(self.fd)
        self.fd, self._facts = fd, kept
        self._size, self._allocated = len(text), len(text) + RESERVE

    def _worth_keeping(self) -> list[facts.Numbered]:
        newest = {(type(numbered.fact), _container(numbered.fact)): numbered.n for numbered in self._facts}
        return [
            numbered
            for numbered in self._facts
            if numbered.n > self._acknowledged or newest[type(numbered.fact), _container(numbered.fact)] == numbered.n
        ]

    def _close_begun(self, fact: facts.Fact) -> None:
        match fact:
            case facts.Exited() | facts.StartFailed():
                self._begun.pop((fact.container, fact.attempt), None)
            case facts.SandboxEnded() | facts.SandboxFailed():
                self._begun.pop(("", fact.attempt), None)


def _container(fact: facts.Fact) -> str:
    match fact:
        case facts.Started() | facts.StartFailed() | facts.Exited():
            return fact.container
        case _:
            return ""


def _header(boot_id: str, after: int) -> bytes:
    return json.dumps({"boot_id": boot_id, "version": VERSION, "after": after}).encode() + b"\n"


def _begun_line(begun: Begun) -> bytes:
    return json.dumps({"begun": [begun.container, begun.attempt, begun.id, begun.cgroup]}).encode() + b"\n"


def _parse(raw: bytes, boot_id: str) -> _Contents | None:
    """The whole lines of a journal; None when it is of another boot. A torn last line does not count.

    A first line that nobody wrote is of another boot, too: so a file looks whose blocks a power cut kept from the disk.
    """
    good = raw.rfind(b"\n") + 1
    header, *lines = raw[:good].splitlines() or [b""]
    if not header:
        return _Contents([], [], 0, 0)
    base = _base_of(header, boot_id)
    if base is None:
        return None
    contents = _Contents([], [], base, good)
    for line in lines:
        if line.startswith(b'{"begun"'):
            contents.begun.append(Begun(*json.loads(line)["begun"]))
            continue
        try:
            _, numbered = wire.decode(line)
        except wire.WireError as error:
            raise JournalError(f"not a line of a journal: {error}") from error
        if not isinstance(numbered, facts.Numbered):
            raise JournalError(f"not a fact: {type(numbered).__name__}")
        contents.facts.append(numbered)
    return contents


def _base_of(header: bytes, boot_id: str) -> int | None:
    """The number that the journal counts on from, if it is of this boot."""
    try:
        tree = json.loads(header)
        written_by, version, base = tree["boot_id"], tree["version"], tree.get("after", 0)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if written_by != boot_id:
        return None
    if version != VERSION:
        raise JournalError(f"version {version} is not known here")
    return int(base)


def _read_all(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0)
