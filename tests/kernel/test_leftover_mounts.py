"""Mounts below a directory are detached before it is removed, and none beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from podrun.volume import leftover_mounts


def test_only_what_is_below_is_detached(tmp_path: Path) -> None:
    inside = [tmp_path / "pod" / "a b", tmp_path / "pod" / "a b" / "deeper"]
    beside = tmp_path / "pod-beside"
    for place in (inside[0], beside):
        place.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "left", place], check=True)
    inside[1].mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "left", inside[1]], check=True)
    try:
        leftover_mounts.detach_below(tmp_path / "pod")
        assert not os.path.ismount(inside[0])
        assert os.path.ismount(beside)
    finally:
        subprocess.run(["umount", beside], check=True)
