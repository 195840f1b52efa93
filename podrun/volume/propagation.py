"""mountPropagation: whether mounts of the machine and of a container can reach each other at a path.

Words as in containerd (pkg/cri, ensureShared and ensureSharedOrSlave).
"""

from __future__ import annotations

import os

from podrun.errors import PodrunError
from podrun.linux import mountinfo


def check(path: str, *, must_share: bool) -> None:
    """PodrunError where the mount that `path` lies in shares nothing; `must_share`: in both directions."""
    row = mountinfo.mount_of(os.path.realpath(path), mountinfo.read())
    kinds = ("shared:",) if must_share else ("shared:", "master:")
    if row is None or not any(field.startswith(kinds) for field in row.optional):
        point = row.mount_point if row else "nothing"
        wanted = "shared mount" if must_share else "shared or slave mount"
        raise PodrunError(f'path "{path}" is mounted on "{point}" but it is not a {wanted}')
