"""Removing a tree that a hostile program may have shaped: as deep as it likes, with links wherever it likes.

shutil.rmtree needs a stack frame and a descriptor for each level; this flattens into a directory aside instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def remove_tree(path: Path, aside: Path) -> None:
    """Removes the directory `path` and all in it; links are removed, never followed. OSError as the kernel gives it;
    what is missing, or removed by somebody else meanwhile, is fine.

    Directories found inside are first moved to `aside`, on the same filesystem, under random names: what an interrupted
    removal leaves is there.
    """
    pending = [path]
    while pending:
        directory = pending.pop()
        with contextlib.suppress(FileNotFoundError):
            with os.scandir(directory) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        pending += _removed(entry, aside)
            os.rmdir(directory)


def _removed(entry: os.DirEntry[str], aside: Path) -> tuple[Path, ...]:
    """The place that it was moved to, if it is a directory."""
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return ()
    moved = aside / f"gone-{secrets.token_hex(8)}"
    os.rename(entry.path, moved)
    return (moved,)
