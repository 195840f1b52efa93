"""Removing a tree that a hostile program may have shaped: as deep and wide as it likes, with links wherever it likes.

shutil.rmtree needs a stack frame and a descriptor for each level; this flattens into one directory aside instead, which
also is all that it remembers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path


def remove_tree(path: Path, aside: Path) -> None:
    """Removes the directory `path` and all in it; links are removed, never followed. OSError as the kernel gives it;
    what is missing, or removed by somebody else meanwhile, is fine.

    First it is moved below `aside`, on the same filesystem, to a new directory `gone-...`, where an interrupted removal
    leaves what it did not come to.
    """
    if os.path.lexists(path):
        remove_pool(move(path, aside))


def move(path: Path, aside: Path) -> Path:
    """The first step alone: the new directory, for `remove_pool`. OSError.

    Where the disk has no room for a new directory, the tree's own becomes that.
    """
    pool = aside / f"gone-{secrets.token_hex(8)}"
    with contextlib.suppress(FileNotFoundError):
        try:
            pool.mkdir(mode=0o700)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.rename(path, pool)
        else:
            _move_into(pool, path)
    return pool


def remove_pool(pool: Path) -> None:
    """The directory `pool` with all that is in it. OSError."""
    while _flatten_all(pool):
        pass
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(pool)


def _flatten_all(pool: Path) -> bool:
    """Whether there was anything. There is not either when somebody else removes what the pool lies in."""
    found = False
    with contextlib.suppress(FileNotFoundError), os.scandir(pool) as directories:
        for directory in directories:
            found = True
            if directory.is_dir(follow_symlinks=False):
                _flatten(directory.path, pool)
            else:
                os.unlink(directory.path)
    return found


def _flatten(directory: str, pool: Path) -> None:
    """Everything in a directory of the pool goes, or into the pool itself; then it goes, too, if nothing came in."""
    with contextlib.suppress(FileNotFoundError):
        with os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                    elif not _is_removed(entry.path):
                        _move_into(pool, entry.path)
        _is_removed(directory)


def _move_into(pool: Path, directory: Path | str) -> None:
    os.rename(directory, f"{pool}/{secrets.token_hex(8)}")  # a name that no earlier removal has used there


def _is_removed(directory: str) -> bool:
    """Whether it was empty, as most are."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True
