"""Binding a group to processors, on v2 and v1.

A new v1 cpuset is empty and takes no process until it has processors and memory nodes: both come from its parent.
"""

from __future__ import annotations

import contextlib
import errno
import os

from cgroups import files

FILES = ("cpuset.cpus", "cpuset.mems")


def make_v1(point: str, path: str) -> str:
    """The directory of group `path` on the v1 mount `point`, made with its parents; what is set already stays."""
    directory = point
    for name in path.strip("/").split("/"):
        parent, directory = directory, f"{directory}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory)
        for file in FILES:
            if not files.read(f"{directory}/{file}").strip():
                files.write(f"{directory}/{file}", files.read(f"{parent}/{file}"))
    return directory


def confine_v1(directory: str, cpus: str) -> None:
    """Set the processors; "" gives the parent's."""
    files.write(f"{directory}/cpuset.cpus", cpus or files.read(f"{os.path.dirname(directory)}/cpuset.cpus"))


def confine_v2(directory: str, cpus: str) -> None:
    """The same on v2. The newline is for "": a write of no bytes would never reach the kernel."""
    try:
        files.write(f"{directory}/cpuset.cpus", f"{cpus}\n")
    except OSError as error:
        if cpus or error.errno != errno.ENOSPC:
            raise
        # Kernels such as 6.1 refuse to empty the list of a group with processes: name the parent's instead.
        parent = os.path.dirname(directory)
        files.write(f"{directory}/cpuset.cpus", files.read(f"{parent}/cpuset.cpus.effective"))
