"""A part of a volume that is mounted alone (subPath): found, or made, beneath the volume and nowhere else."""

from __future__ import annotations

import os

from podrun.linux import beneath


def make(volume: str, subpath: str, owner: int = 0) -> None:
    """See that there is something to mount: what is absent becomes directories. OSError: it leads out, or can't be."""
    root = os.open(volume, os.O_PATH | os.O_CLOEXEC)
    try:
        os.close(beneath.make_beneath(root, subpath, owner))
    finally:
        os.close(root)
