"""Removing directories: what is missing is fine, what can't be removed is logged. Everything here blocks."""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

from podrun.image import removal

logger = logging.getLogger(__name__)


def set_aside(directory: Path) -> Path | None:
    """Take a tree that a container's program may have shaped out of the way, to be removed at leisure: where it is now.
    None: it stays."""
    try:
        return removal.move(directory, aside=directory.parent)
    except OSError as error:
        logger.warning("cannot remove %s: %s", directory, error)
        return None


def remove_set_aside(directory: Path) -> None:
    try:
        removal.remove_pool(directory)
    except OSError as error:
        logger.warning("cannot remove %s: %s", directory, error)


def remove_shaped(directory: Path) -> None:
    """A tree that a container's program may have shaped, to any depth."""
    try:
        removal.remove_tree(directory, aside=directory.parent)
    except OSError as error:
        logger.warning("cannot remove %s: %s", directory, error)


def remove_own(directory: Path) -> None:
    """A tree that only podrun writes to. Of a log that is just compressed, a file may vanish meanwhile."""
    try:
        while directory.exists():
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(directory)
    except OSError as error:
        logger.warning("cannot remove %s: %s", directory, error)
