"""One process as /proc shows it, through a descriptor of its directory: whoever gets the number later is not read.

Raises OSError (ESRCH, ENOENT) once the process is gone. proc(5).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Self

NAMESPACES = ("net", "ipc", "uts", "pid", "mnt", "cgroup", "user")


@dataclass(frozen=True, slots=True)
class Status:
    """Of /proc/<pid>/status. `pids` are its numbers from our own PID namespace inwards. Memory in bytes."""

    name: str
    state: str
    parent: int
    pids: tuple[int, ...]
    uid: int
    threads: int
    memory: int


class Process:
    """Use `with`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._directory = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._directory)

    def read(self, name: str, most: int = 1 << 16) -> bytes:
        """The beginning of a file, `most` bytes at most."""
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
        try:
            pieces, left = [], most
            while left > 0 and (piece := os.read(descriptor, left)):
                pieces.append(piece)
                left -= len(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def started(self) -> int:
        """In clock ticks after boot."""
        return int(self.read("stat").rpartition(b")")[2].split()[19])

    def status(self) -> Status:
        return parse_status(self.read("status").decode(errors="replace"))

    def argv(self, most: int) -> tuple[str, ...]:
        """As the program has it now, cut to `most` bytes. It is the program's own memory: this can block for ever."""
        words = self.read("cmdline", most).removesuffix(b"\0").split(b"\0")
        return () if words == [b""] else tuple(word.decode(errors="replace") for word in words)

    def namespaces(self) -> dict[str, int]:
        """The inode number of each: two processes share one exactly when the numbers are equal."""
        return {kind: os.stat(f"ns/{kind}", dir_fd=self._directory).st_ino for kind in NAMESPACES}

    def open_namespace(self, kind: str) -> int:
        """A descriptor for setns(2), close-on-exec."""
        return os.open(f"ns/{kind}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)

    def v2_group(self) -> str:
        """The path of its group in cgroup v2, as our own cgroup namespace shows it."""
        lines = self.read("cgroup").decode(errors="replace").split("\n")
        return next((line[3:] for line in lines if line.startswith("0::")), "")


def parse_status(text: str) -> Status:
    # The kernel escapes line feeds in a name, and nothing else that might pass for the end of a line.
    fields = dict(line.split(":\t", 1) for line in text.split("\n") if ":\t" in line)
    return Status(
        name=fields["Name"],
        state=fields["State"][:1],
        parent=int(fields["PPid"]),
        pids=tuple(map(int, fields.get("NSpid", fields["Pid"]).split())),
        uid=int(fields["Uid"].split()[0]),
        threads=int(fields["Threads"]),
        memory=int(fields.get("VmRSS", "0").split()[0]) * 1024,
    )
