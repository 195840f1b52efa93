"""emptyDir: a directory that lives as long as its pod."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o777  # as the kubelet makes it, without the sticky bit


def prepare(directory: Path, owner: int = 0) -> Path:
    """Make the directory, or find it again. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    if owner:
        os.chown(directory, owner, owner)
    directory.chmod(MODE)
    return directory
