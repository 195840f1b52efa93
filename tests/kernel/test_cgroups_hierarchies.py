"""Finding the controllers of this very machine, and what `python -m cgroups` says about them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cgroups import hierarchies


def test_every_needed_controller_of_this_machine_is_found() -> None:
    found = hierarchies.detect()
    for controller in hierarchies.NEEDED:
        assert found.has(controller)
        assert (controller in found.v2_controllers) != (controller in found.v1_controllers)
    assert Path(f"{found.unified.point}/cgroup.procs").exists()
    for point in found.v1_points:
        assert Path(f"{point}/tasks").exists()


def test_the_own_group_exists_below_the_mount_point() -> None:
    found = hierarchies.detect()
    own = hierarchies.own_group(found)
    assert Path(found.unified.point + own).is_dir()


def test_the_module_tells_mode_controllers_and_own_group() -> None:
    result = subprocess.run([sys.executable, "-m", "cgroups"], capture_output=True, text=True, check=True)
    words = [line.split() for line in result.stdout.splitlines()]
    found = hierarchies.detect()
    assert ["mode", found.mode] in words
    assert any(line[0] == "memory" for line in words)
    assert any(line[0] == "own" for line in words)
