"""Which files a volume holds that podrun writes: a function of its source, the objects that it names, the pod. Pure.

Rules: MakePayload of pkg/volume/{configmap,secret}, CollectData of pkg/volume/{downwardapi,projected}.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import downward
from podrun.volume.atomic_writer import File

DEFAULT_MODE = 0o644
TOKEN_MODE = 0o600  # of a token that one user, or the pod's group, owns

Files = dict[str, File]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a pod's files come from. `token` may raise PodrunError."""

    config_map: Callable[[str], objects.ConfigMap | None]
    secret: Callable[[str], objects.Secret | None]
    facts: downward.Facts
    token: Callable[[objects.ServiceAccountTokenProjection], str]


def files(volume: objects.Volume, pod: objects.Pod, sources: Sources) -> Files:
    """By relative path. PodrunError in the kubelet's words where something is missing that is not optional."""
    match volume:
        case objects.Volume(config_map=objects.ConfigMapVolumeSource() as source):
            mode = _mode(source.default_mode)
            return _config_map(source.name, source.items, mode, bool(source.optional), sources)
        case objects.Volume(secret=objects.SecretVolumeSource() as source):
            mode = _mode(source.default_mode)
            return _secret(source.secret_name, source.items, mode, bool(source.optional), sources)
        case objects.Volume(downward_api=objects.DownwardAPIVolumeSource() as source):
            return _downward(source.items, _mode(source.default_mode), pod, sources)
        case objects.Volume(projected=objects.ProjectedVolumeSource() as source):
            return _projected(source, pod, sources)
        case _:
            return {}


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode


def _config_map(name: str, items: tuple[objects.KeyToPath, ...], mode: int, optional: bool, sources: Sources) -> Files:
    found = sources.config_map(name)
    if found is None and not optional:
        raise PodrunError(f'configmap "{name}" not found')
    content: dict[str, bytes] = {}
    if found is not None:
        content = {key: text.encode() for key, text in found.data.items()}
        content |= {key: base64.b64decode(text) for key, text in found.binary_data.items()}
    return _chosen(content, items, mode, "configmap references non-existent config key", optional=optional)


def _secret(name: str, items: tuple[objects.KeyToPath, ...], mode: int, optional: bool, sources: Sources) -> Files:
    found = sources.secret(name)
    if found is None and not optional:
        raise PodrunError(f'secret "{name}" not found')
    content = {key: base64.b64decode(text) for key, text in found.data.items()} if found is not None else {}
    return _chosen(content, items, mode, "references non-existent secret key", optional=optional)


def _chosen(
    content: Mapping[str, bytes], items: tuple[objects.KeyToPath, ...], mode: int, complaint: str, *, optional: bool
) -> Files:
    """All keys under their own names, or those of `items` where they say."""
    if not items:
        return {key: File(value, mode) for key, value in content.items()}
    chosen = {}
    for item in items:
        if item.key in content:
            chosen[item.path] = File(content[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise PodrunError(f"{complaint}: {item.key}")
    return chosen


def _downward(items: tuple[objects.DownwardAPIVolumeFile, ...], mode: int, pod: objects.Pod, sources: Sources) -> Files:
    found = {}
    for item in items:
        if item.field_ref is not None:
            text = downward.field_text(pod, item.field_ref.field_path, sources.facts)
        elif item.resource_field_ref is not None:
            container = downward.container_called(pod, item.resource_field_ref.container_name)
            if container is None:
                raise PodrunError(f"container {item.resource_field_ref.container_name} not found")
            text = downward.resource_text(pod, container, item.resource_field_ref, sources.facts)
        else:
            continue
        found[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return found


def _projected(source: objects.ProjectedVolumeSource, pod: objects.Pod, sources: Sources) -> Files:
    """All sources in one; of two files with one path the later one stands. Every complaint is told."""
    found: Files = {}
    complaints = []
    for projection in source.sources:
        try:
            found |= _projection(projection, _mode(source.default_mode), pod, sources)
        except PodrunError as error:
            complaints.append(str(error))
    if complaints:
        raise PodrunError(complaints[0] if len(complaints) == 1 else f"[{', '.join(complaints)}]")
    return found


def _projection(projection: objects.VolumeProjection, mode: int, pod: objects.Pod, sources: Sources) -> Files:
    if (one := projection.config_map) is not None:
        return _config_map(one.name, one.items, mode, bool(one.optional), sources)
    if (two := projection.secret) is not None:
        return _secret(two.name, two.items, mode, bool(two.optional), sources)
    if projection.downward_api is not None:
        return _downward(projection.downward_api.items, mode, pod, sources)
    if (token := projection.service_account_token) is not None:
        user = common_user(pod.spec)
        security = pod.spec.security_context
        owned = user is not None or (security is not None and security.fs_group is not None)
        content = sources.token(token).encode()
        return {token.path: File(content, TOKEN_MODE if owned else mode, user or 0)}
    return {}


def tokens(spec: objects.PodSpec) -> Iterator[objects.ServiceAccountTokenProjection]:
    for volume in spec.volumes:
        for projection in volume.projected.sources if volume.projected is not None else ():
            if projection.service_account_token is not None:
                yield projection.service_account_token


def common_user(spec: objects.PodSpec) -> int | None:
    """The user that all containers run as, where all say the same (pkg/volume/util, FsUserFrom)."""
    of_pod = spec.security_context.run_as_user if spec.security_context else None
    users = set()
    for container in (*spec.init_containers, *spec.containers):
        own = container.security_context.run_as_user if container.security_context else None
        users.add(of_pod if own is None else own)
    return users.pop() if len(users) == 1 else None


def shows_metadata(spec: objects.PodSpec) -> bool:
    """Whether labels or annotations of the pod may be in its files."""
    projections = (each for volume in spec.volumes if volume.projected for each in volume.projected.sources)
    return any(volume.downward_api for volume in spec.volumes) or any(each.downward_api for each in projections)
