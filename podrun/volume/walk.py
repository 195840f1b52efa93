"""Going through a tree that is hostile and changes meanwhile, without ever leaving it.

Links are not followed, what is mounted inside is left out. No path is ever looked up, so no length or depth is too
much: below the first levels the way back up is `..`, checked by inode.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field
from typing import Protocol

MOST_WAITING = 1_000_000  # names of directories that are still to be visited: a hundred megabytes
HELD_LEVELS = 64  # directories kept open; a tree deeper than this that is rearranged meanwhile is seen in part
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TakesTooLongError(OSError):
    """Whoever writes to a tree can make it grow faster than it is walked."""

    def __init__(self, reached: str) -> None:
        super().__init__(errno.ETIMEDOUT, f"it has too many files: not through with them after {reached}")


class Visitor(Protocol):
    def directory(self, descriptor: int, status: os.stat_result) -> None:
        """Each directory, before what is in it; the top one first."""

    def other(self, parent: int, name: str, status: os.stat_result) -> None:
        """All that is no directory. By the time of the call, it may be something else."""


@dataclass(slots=True)
class _Level:
    """A directory on the way down; `left` are those of its directories that have not been visited."""

    identity: tuple[int, int]
    left: list[str]
    descriptor: int


@dataclass
class _Walk:
    visitor: Visitor
    device: int
    patience: float
    levels: list[_Level] = field(default_factory=list)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.give_up = time.monotonic() + self.patience

    def enter(self, descriptor: int) -> None:
        """Show a directory and all in it that is none; it becomes the deepest level."""
        status = os.fstat(descriptor)
        self.levels.append(_Level((status.st_dev, status.st_ino), [], descriptor))
        self.visitor.directory(descriptor, status)
        left = self.levels[-1].left
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if time.monotonic() > self.give_up:
                    raise TakesTooLongError(f"{self.patience:g} seconds")
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                if found.st_dev != self.device:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    left.append(entry.name)
                    self.waiting += 1
                    if self.waiting > MOST_WAITING:
                        raise TakesTooLongError(f"{MOST_WAITING} directories")
                else:
                    self.visitor.other(descriptor, entry.name, found)

    def descend(self) -> bool:
        """Into the next directory of the deepest level. False: it has none left."""
        level = self.levels[-1]
        while level.left:
            self.waiting -= 1
            try:
                child = os.open(level.left.pop(), _OPEN, dir_fd=level.descriptor)
            except OSError:
                continue
            if os.fstat(child).st_dev != self.device:
                os.close(child)
                continue
            self.enter(child)
            if len(self.levels) > HELD_LEVELS:
                os.close(level.descriptor)
                level.descriptor = -1
            return True
        return False

    def ascend(self) -> None:
        """Leave the deepest level, and those above it that can't be found again."""
        gone = self.levels.pop()
        while self.levels and self.levels[-1].descriptor < 0 and not self._reopen(self.levels[-1], gone.descriptor):
            self.waiting -= len(self.levels.pop().left)
        os.close(gone.descriptor)

    def _reopen(self, above: _Level, below: int) -> bool:
        try:
            descriptor = os.open("..", _OPEN, dir_fd=below)
        except OSError:
            return False
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != above.identity:
            os.close(descriptor)
            return False
        above.descriptor = descriptor
        return True


def walk(directory: int, visitor: Visitor, patience: float) -> None:
    """Show everything of the directory that a descriptor refers to. Blocks, for up to `patience` seconds.

    Raises OSError; TakesTooLongError: some of it was not shown.
    """
    root = os.open(".", _OPEN, dir_fd=directory)
    going = _Walk(visitor, os.fstat(root).st_dev, patience)
    try:
        going.enter(root)
        while going.levels:
            if not going.descend():
                going.ascend()
    finally:
        for level in going.levels:
            if level.descriptor >= 0:
                os.close(level.descriptor)
