"""v1 cpusets. Unlike on v2, a new one is empty and takes no process until it has processors and memory nodes: both
come from its parent."""

from __future__ import annotations

import contextlib
import os

from cgroups import files

FILES = ("cpuset.cpus", "cpuset.mems")


def make(point: str, path: str) -> str:
    """The directory of group `path` on the v1 mount `point`, made with its parents where missing; what is set already
    stays."""
    directory = point
    for name in path.strip("/").split("/"):
        parent, directory = directory, f"{directory}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory)
        for file in FILES:
            if not files.read(f"{directory}/{file}").strip():
                files.write(f"{directory}/{file}", files.read(f"{parent}/{file}"))
    return directory


def confine(directory: str, cpus: str) -> None:
    """Set the processors; "" gives the parent's."""
    wanted = cpus or files.read(f"{os.path.dirname(directory)}/cpuset.cpus")
    files.write(f"{directory}/cpuset.cpus", wanted)
