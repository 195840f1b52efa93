"""What podrun does not carry out yet is refused with its path, never ignored.

The tables below are the whole list: a feature that arrives deletes its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from podrun.api import field_errors, objects
from podrun.api.field_errors import FieldError
from podrun.api.objects import Container, KubeStruct, Pod, Volume

NOT_YET = "podrun does not carry out this field yet"
NO_SELINUX = "podrun sets no SELinux labels"


@dataclass(frozen=True, slots=True)
class Row:
    """A field by its Python name, and the values, besides unset, that ask for nothing."""

    field: str
    nothing: tuple[Any, ...] = ()

    def refuses(self, part: KubeStruct) -> bool:
        value = getattr(part, self.field)
        return not (value is None or value is False or value in ("", (), {}) or value in self.nothing)


def _rows(*fields: str) -> tuple[Row, ...]:
    return tuple(Row(field) for field in fields)


METADATA = _rows("finalizers", "owner_references")

SPEC = (
    *_rows("resource_claims"),
    Row("os", (objects.PodOS(name="linux"),)),
)

POD_SECURITY = (*_rows("se_linux_change_policy", "se_linux_options"),)

CONTAINER = _rows("volume_devices")

CONTAINER_SECURITY = _rows("se_linux_options")


CARRIED_OUT = (
    "config_map",
    "downward_api",
    "empty_dir",
    "ephemeral",
    "host_path",
    "image",
    "persistent_volume_claim",
    "projected",
    "secret",
)
VOLUME = _rows(*(field for field in Volume.__struct_fields__ if field not in ("name", *CARRIED_OUT)))
PROJECTION = _rows("cluster_trust_bundle", "pod_certificate")


def unsupported(pod: Pod) -> list[FieldError]:
    """Every field of a pod that asks for what podrun cannot do; expects defaults to be set."""
    return [field_errors.forbidden(path, NO_SELINUX if "seLinux" in path else NOT_YET) for path in _pod(pod)]


def _pod(pod: Pod) -> Iterator[str]:
    spec = pod.spec
    yield from _refused(METADATA, pod.metadata, "metadata")
    for index, volume in enumerate(spec.volumes):
        where = f"spec.volumes[{index}]"
        yield from _refused(VOLUME, volume, where)
        for number, projection in enumerate(volume.projected.sources if volume.projected else ()):
            yield from _refused(PROJECTION, projection, f"{where}.projected.sources[{number}]")
    for shown, containers in (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    ):
        for index, container in enumerate(containers):
            yield from _container(container, f"spec.{shown}[{index}]")
    yield from _refused(SPEC, spec, "spec")
    if spec.security_context:
        yield from _refused(POD_SECURITY, spec.security_context, "spec.securityContext")


def _container(container: Container, path: str) -> Iterator[str]:
    if container.resources.claims:
        yield f"{path}.resources.claims"
    yield from _refused(CONTAINER, container, path)
    if container.security_context:
        yield from _refused(CONTAINER_SECURITY, container.security_context, f"{path}.securityContext")


def _refused(rows: tuple[Row, ...], part: KubeStruct, path: str) -> Iterator[str]:
    for row in rows:
        if row.refuses(part):
            yield f"{path}.{_shown(type(part))(row.field)}"


@lru_cache(maxsize=64)
def _shown(type_: type[KubeStruct]) -> Callable[[str], str]:
    return dict(zip(type_.__struct_fields__, type_.__struct_encode_fields__, strict=True)).__getitem__
