"""How much of the disk a volume takes, as du counts it. The tree may be hostile, and changes while it is measured.

Links are not followed, what is mounted inside is left out, a file with several names counts once. No path is ever
looked up, so no length or depth is too much: below the first levels the way back up is `..`, checked by inode.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

HELD_LEVELS = 64  # directories kept open; a tree deeper than this that is rearranged meanwhile is measured in part
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Usage:
    bytes: int = 0
    inodes: int = 0


@dataclass(slots=True)
class _Level:
    """A directory on the way down; `left` are those of its directories that have not been visited."""

    identity: tuple[int, int]
    left: list[str]
    descriptor: int = -1


@dataclass(slots=True)
class _Walk:
    device: int
    usage: Usage = field(default_factory=Usage)
    several_names: set[int] = field(default_factory=set)
    levels: list[_Level] = field(default_factory=list)

    def count(self, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            if status.st_ino in self.several_names:
                return
            self.several_names.add(status.st_ino)
        self.usage.bytes += status.st_blocks * 512
        self.usage.inodes += 1

    def enter(self, descriptor: int) -> None:
        """Count a directory and all in it that is none; it becomes the deepest level."""
        status = os.fstat(descriptor)
        self.count(status)
        left = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                if found.st_dev != self.device:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    left.append(entry.name)
                else:
                    self.count(found)
        self.levels.append(_Level((status.st_dev, status.st_ino), left, descriptor))

    def descend(self) -> bool:
        """Into the next directory of the deepest level. False: it has none left."""
        level = self.levels[-1]
        while level.left:
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
        while self.levels and self.levels[-1].descriptor < 0:
            above = self.levels[-1]
            if gone.descriptor >= 0 and self._reopen(above, gone.descriptor):
                break
            self.levels.pop()
        if gone.descriptor >= 0:
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


def measure(directory: int) -> Usage:
    """Of the directory that an open descriptor refers to. Blocks; about a microsecond or two for each file. OSError."""
    root = os.open(".", _OPEN, dir_fd=directory)
    walk = _Walk(os.fstat(root).st_dev)
    try:
        walk.enter(root)
        while walk.levels:
            if not walk.descend():
                walk.ascend()
        return walk.usage
    finally:
        for level in walk.levels:
            if level.descriptor >= 0:
                os.close(level.descriptor)


def measure_path(path: str) -> Usage:
    """The same by path: a directory that podrun made. OSError."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return measure(descriptor)
    finally:
        os.close(descriptor)
