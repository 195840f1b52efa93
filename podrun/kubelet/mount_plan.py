"""What is mounted in a container, and in which order: the system's own, the managed files, the pod's volumes. Pure.

Rules: pkg/kubelet/kubelet_pods.go (makeMounts), pkg/kubelet/container/helpers.go (ExpandContainerVolumeMounts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from podrun.api import objects
from podrun.container import defaults
from podrun.container.plan import Bind, ImageTree, Mount, Propagation
from podrun.errors import PodrunError
from podrun.kubelet import environment
from podrun.kubelet.places import PodPlace

DEFAULT_TERMINATION_LOG = "/dev/termination-log"
PROPAGATIONS = {
    None: Propagation.PRIVATE,
    "None": Propagation.PRIVATE,
    "HostToContainer": Propagation.SLAVE,
    "Bidirectional": Propagation.SHARED,
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a volume is. `held`: in the shim's own mount namespace. `readonly`: whatever a mount of it says.

    With `layers` it is an image, and `path` the directory of layers. What the pod's own user namespace has for root is
    `owner` on the machine, or with `idmapped` it is 0.
    """

    path: str
    held: bool = False
    readonly: bool = False
    layers: tuple[str, ...] = ()
    owner: int = 0
    idmapped: bool = False


class _Known(dict[str, str]):
    """Variables that remember which name was asked for in vain, or is empty."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.missing: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        value = super().get(name)
        if not value:
            self.missing.add(name)
        return default if value is None else value


def mounts(
    spec: objects.Container,
    attempt: int,
    volumes: Mapping[str, Source],
    place: PodPlace,
    variables: Mapping[str, str],
    *,
    system: tuple[Mount, ...] = defaults.standard_mounts(),
    walls: tuple[Mount, ...] = defaults.walls(),
) -> tuple[Mount, ...]:
    """Parents before children, `walls` last; a volume replaces what would stand by default at the same path.

    `variables` are for subPathExpr. PodrunError: a volume is missing, or a subpath can't be.
    """
    chosen = tuple(_volume_bind(spec, mount, volumes, variables) for mount in spec.volume_mounts)
    taken = {bind.target for bind in chosen}
    message_path = spec.termination_message_path or DEFAULT_TERMINATION_LOG
    managed = [
        Bind(str(place.etc / "hosts"), "/etc/hosts"),
        Bind(str(place.etc / "hostname"), "/etc/hostname"),
        Bind(str(place.etc / "resolv.conf"), "/etc/resolv.conf"),
        Bind(str(place.termination_log(spec.name, attempt)), message_path),
    ]
    ordinary: list[Mount] = [m for m in (*system, *managed) if m.target not in taken]
    return (*sorted((*ordinary, *chosen), key=_depth), *walls)


def source_of(spec: objects.Container, mount: objects.VolumeMount, volumes: Mapping[str, Source]) -> Source:
    if mount.name not in volumes:
        raise PodrunError(f'cannot find volume "{mount.name}" to mount into container "{spec.name}"')
    return volumes[mount.name]


def subpath(mount: objects.VolumeMount, variables: Mapping[str, str]) -> str:
    """What of the volume is mounted; empty for all of it. PodrunError in the kubelet's words."""
    path = mount.sub_path
    if mount.sub_path_expr:
        known = _Known(variables)
        path = environment.expand(mount.sub_path_expr, known)
        if known.missing:
            raise PodrunError(f"missing value for {', '.join(sorted(known.missing))}")
    if path.startswith("/"):
        raise PodrunError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise PodrunError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def is_recursively_read_only(mount: objects.VolumeMount) -> bool:
    """IfPossible is Enabled: podrun runs on no kernel that could not (mount_setattr, 5.12)."""
    return mount.read_only and mount.recursive_read_only in ("Enabled", "IfPossible")


def _volume_bind(
    spec: objects.Container, mount: objects.VolumeMount, volumes: Mapping[str, Source], variables: Mapping[str, str]
) -> Bind | ImageTree:
    source = source_of(spec, mount, volumes)
    target = str(PurePosixPath("/", mount.mount_path))
    if source.layers:
        return ImageTree(target, source.path, source.layers, subpath(mount, variables))
    return Bind(
        source.path,
        target,
        readonly=mount.read_only or source.readonly,
        propagation=PROPAGATIONS[mount.mount_propagation],
        subpath=subpath(mount, variables),
        readonly_recursive=is_recursively_read_only(mount),
        held=source.held,
        idmapped=source.idmapped,
    )


def _depth(mount: Mount) -> int:
    return len(PurePosixPath(mount.target).parts)
