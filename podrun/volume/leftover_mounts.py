"""Mounts that a privileged container left on the machine below a pod's directory (mountPropagation: Bidirectional)."""

from __future__ import annotations

import logging
from pathlib import Path

from podrun.linux import mount, mountinfo

logger = logging.getLogger(__name__)


def detach_below(directory: Path) -> None:
    """So that removing the directory removes nothing but what is the pod's. What can't be unmounted is logged."""
    inside = f"{directory}/"
    points = [row.mount_point for row in mountinfo.read() if row.mount_point.startswith(inside)]
    for point in reversed(points):
        try:
            mount.umount_detach(point)
        except OSError as error:
            logger.warning("cannot unmount %s: %s", point, error)
