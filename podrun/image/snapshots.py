"""The writable side of a container: upper and work directory for an overlay over its image's layers. Mounts nothing."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from podrun.image.images import Image
from podrun.image.removal import remove_tree


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`lowers` are names below `layers`, top to bottom, for a mount made with that as working directory."""

    layers: Path
    lowers: tuple[str, ...]
    upper: Path
    work: Path


def prepare(pod_dir: Path, container: str, attempt: int, image: Image, layers: Path, first_id: int = 0) -> Snapshot:
    """New empty directories for one attempt of a container; what is left of an earlier try of it goes. Raises OSError.

    `pod_dir` as in Paths.pod_dir, `layers` as in Images.layers_directory, `first_id` as in PodPlace.
    """
    remove(pod_dir, container, attempt)
    directory = _directory(pod_dir, container, attempt)
    upper, work = directory / "upper", directory / "work"
    directory.mkdir(parents=True)
    (pod_dir / "containers").chmod(0o700)  # set-user-ID programs may lie in upper directories too
    work.mkdir(mode=0o700)
    # Overlayfs shows the root directory as the upper directory has it. Who finds one takes it for done.
    fresh, status = directory / "fresh", (layers / image.layers[0]).stat()
    fresh.mkdir()
    os.chown(fresh, first_id + status.st_uid, first_id + status.st_gid)
    fresh.chmod(stat.S_IMODE(status.st_mode))
    fresh.rename(upper)
    return Snapshot(layers, image.layers, upper, work)


def remove(pod_dir: Path, container: str, attempt: int) -> None:
    """Takes the directories of an attempt away, if there are any. Nothing may run or be mounted from them any more."""
    remove_tree(_directory(pod_dir, container, attempt), aside=pod_dir / "containers" / container)


def _directory(pod_dir: Path, container: str, attempt: int) -> Path:
    return pod_dir / "containers" / container / str(attempt)
