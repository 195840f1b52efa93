"""How much of the disk a volume takes, as du counts it: a file with several names counts once."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from podrun.volume import walk

PATIENCE = 30.0  # seconds, in which some million files are counted
MOST_NAMED = 1_000_000  # files with several names that are remembered; more are not counted
BLOCK = 512  # bytes, stat(2)


@dataclass(slots=True)
class Usage:
    bytes: int = 0
    inodes: int = 0
    _several_names: set[int] = field(default_factory=set, repr=False)

    def directory(self, descriptor: int, status: os.stat_result) -> None:
        self._count(status)

    def other(self, parent: int, name: str, status: os.stat_result) -> None:
        if status.st_nlink > 1:
            if status.st_ino in self._several_names or len(self._several_names) == MOST_NAMED:
                return
            self._several_names.add(status.st_ino)
        self._count(status)

    def _count(self, status: os.stat_result) -> None:
        self.bytes += status.st_blocks * BLOCK
        self.inodes += 1


def measure(directory: int, patience: float = PATIENCE) -> Usage:
    """Of the directory that a descriptor refers to, whatever is in it. Blocks; microseconds for a file. OSError.

    What could not be counted within `patience` seconds is left out: it takes at least as much as this.
    """
    usage = Usage()
    with contextlib.suppress(walk.TakesTooLongError):
        walk.walk(directory, usage, patience)
    return usage


def measure_path(path: str, patience: float = PATIENCE) -> Usage:
    """The same by path: a directory that podrun made. OSError."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return measure(descriptor, patience)
    finally:
        os.close(descriptor)
