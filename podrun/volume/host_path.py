"""hostPath: a file or directory of the machine, checked for what it must be (pkg/volume/hostpath)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from podrun.errors import PodrunError

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def prepare(path: Path, type: str) -> Path:
    """The path itself, made first for the `...OrCreate` types. PodrunError `hostPath type check failed: ...`."""
    if type == "DirectoryOrCreate" and not path.exists():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif type == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if not type:
        if not path.exists():  # as container runtimes do: a missing source becomes a directory
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        return path
    check, word = _CHECKS[type]
    if not path.exists() or not check(path.stat().st_mode):
        raise PodrunError(f"hostPath type check failed: {path} is not a {word}")
    return path
