"""emptyDir: a directory that lives as long as its pod."""

from __future__ import annotations

from pathlib import Path

MODE = 0o777  # as the kubelet makes it, without the sticky bit


def prepare(directory: Path) -> Path:
    """Make the directory, or find it again. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(MODE)
    return directory
