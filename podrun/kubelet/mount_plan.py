"""What is mounted in a container, and in which order: the system's own, the managed files, the pod's volumes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from podrun.api import objects
from podrun.container import defaults
from podrun.container.plan import Bind, Mount
from podrun.errors import PodrunError
from podrun.kubelet.places import PodPlace

DEFAULT_TERMINATION_LOG = "/dev/termination-log"


def mounts(spec: objects.Container, attempt: int, volumes: Mapping[str, str], place: PodPlace) -> tuple[Mount, ...]:
    """Parents before children; a volume replaces what would stand by default at the same path.

    `volumes` holds the machine's path of each volume. PodrunError: one is missing.
    """
    chosen = tuple(_volume_bind(mount, volumes) for mount in spec.volume_mounts)
    taken = {bind.target for bind in chosen}
    message_path = spec.termination_message_path or DEFAULT_TERMINATION_LOG
    managed = [
        Bind(str(place.etc / "hosts"), "/etc/hosts"),
        Bind(str(place.etc / "hostname"), "/etc/hostname"),
        Bind(str(place.etc / "resolv.conf"), "/etc/resolv.conf"),
        Bind(str(place.termination_log(spec.name, attempt)), message_path),
    ]
    ordinary: list[Mount] = [m for m in (*defaults.standard_mounts(), *managed) if m.target not in taken]
    return (*sorted((*ordinary, *chosen), key=_depth), *defaults.walls())


def _volume_bind(mount: objects.VolumeMount, volumes: Mapping[str, str]) -> Bind:
    if mount.name not in volumes:
        raise PodrunError(f'volume "{mount.name}" is not there')
    return Bind(volumes[mount.name], str(PurePosixPath("/", mount.mount_path)), readonly=mount.read_only)


def _depth(mount: Mount) -> int:
    return len(PurePosixPath(mount.target).parts)
