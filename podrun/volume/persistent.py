"""Directories that outlive pods: made for a claim, removed with its volume, and shown to a pod by a link of its own."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o777  # whoever runs in the pod may write; the directory above lets no other user of the machine through


def make(directory: Path) -> None:
    """Done again it changes nothing. Raises OSError."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        directory.mkdir()
    except FileExistsError:
        return
    directory.chmod(MODE)


def link(place: Path, directory: Path) -> None:
    """Let `place`, in a pod's own directory, lead to the volume. Raises OSError: the volume is not there."""
    os.close(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(directory)
