"""Volumes: names, one source each, and what each source needs."""

from __future__ import annotations

from collections.abc import Iterable

from podrun.api import field_errors, quantity
from podrun.api import validate_names as names
from podrun.api.objects import (
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    PersistentVolumeClaimTemplate,
    ProjectedVolumeSource,
    Volume,
    VolumeProjection,
)
from podrun.api.objects.struct import kubernetes_name
from podrun.api.validate_claim import check_claim_spec
from podrun.api.validate_downward import FILE_FIELDS, check_field_ref, check_resource_ref
from podrun.api.validate_names import Errors

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"
)  # fmt: skip
_MORE_THAN_ONE = "may not specify more than 1 volume type"
_SHORTEST_TOKEN = 10 * 60
_LONGEST_TOKEN = 2**32
_SOURCES = tuple(
    (field, "downwardAPI" if field == "downward_api" else kubernetes_name(field))
    for field in ("empty_dir", *(each for each in Volume.__struct_fields__ if each not in ("name", "empty_dir")))
)


def check_volumes(path: str, volumes: tuple[Volume, ...]) -> Errors:
    seen = set()
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        if volume.name and volume.name in seen:
            yield field_errors.duplicate(f"{where}.name", volume.name)
        else:
            yield from names.check_required(f"{where}.name", volume.name, names.label_problems)
        seen.add(volume.name)
        yield from _sources(where, volume)


def _sources(path: str, volume: Volume) -> Errors:
    used = [shown for field, shown in _SOURCES if getattr(volume, field) is not None]
    if not used:
        yield field_errors.required(path, "must specify a volume type")
        return
    yield from _source(f"{path}.{used[0]}", used[0], volume)
    for shown in used[1:]:
        yield field_errors.forbidden(f"{path}.{shown}", _MORE_THAN_ONE)


def _source(path: str, kind: str, volume: Volume) -> Errors:
    if volume.empty_dir and kind == "emptyDir":
        yield from _empty_dir(path, volume.empty_dir)
    elif volume.host_path and kind == "hostPath":
        yield from _host_path(path, volume.host_path)
    elif volume.secret and kind == "secret":
        yield from _needs(path, secretName=volume.secret.secret_name)
        yield from _files(path, volume.secret.items, volume.secret.default_mode)
    elif volume.config_map and kind == "configMap":
        yield from _needs(path, name=volume.config_map.name)
        yield from _files(path, volume.config_map.items, volume.config_map.default_mode)
    elif volume.downward_api and kind == "downwardAPI":
        yield from names.check_mode(f"{path}.defaultMode", volume.downward_api.default_mode)
        yield from _downward_files(path, volume.downward_api.items)
    elif volume.projected and kind == "projected":
        yield from _projected(path, volume.projected)
    elif volume.persistent_volume_claim and kind == "persistentVolumeClaim":
        yield from _needs(path, claimName=volume.persistent_volume_claim.claim_name)
    elif volume.nfs and kind == "nfs":
        yield from _needs(path, server=volume.nfs.server, path=volume.nfs.path)
        if volume.nfs.path and not volume.nfs.path.startswith("/"):
            yield field_errors.invalid(f"{path}.path", volume.nfs.path, "must be an absolute path")
    elif volume.iscsi and kind == "iscsi":
        yield from _needs(path, targetPortal=volume.iscsi.target_portal, iqn=volume.iscsi.iqn)
        yield from names.check_range(f"{path}.lun", volume.iscsi.lun, 0, 255)
    elif volume.csi and kind == "csi":
        yield from _needs(path, driver=volume.csi.driver)
    elif volume.ephemeral and kind == "ephemeral":
        yield from _ephemeral(f"{path}.volumeClaimTemplate", volume.ephemeral.volume_claim_template)
    elif volume.image and kind == "image":
        yield from _needs(path, reference=volume.image.reference)
        yield from names.check_choice(
            f"{path}.pullPolicy", volume.image.pull_policy, ("Always", "IfNotPresent", "Never")
        )


def _needs(where: str, /, **fields: str) -> Errors:
    for name, value in fields.items():
        if not value:
            yield field_errors.required(f"{where}.{name}")


def _empty_dir(path: str, source: EmptyDirVolumeSource) -> Errors:
    if source.size_limit is not None and quantity.parse(source.size_limit).nanos < 0:
        yield field_errors.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(path: str, source: HostPathVolumeSource) -> Errors:
    if not source.path:
        yield field_errors.required(f"{path}.path")
        return
    yield from names.check_no_backsteps(f"{path}.path", source.path)
    if source.type is not None and source.type not in HOST_PATH_TYPES:
        yield field_errors.not_supported(f"{path}.type", source.type, HOST_PATH_TYPES)


def _ephemeral(path: str, template: PersistentVolumeClaimTemplate | None) -> Errors:
    if template is None:
        yield field_errors.required(path)
        return
    yield from names.check_annotations(f"{path}.metadata.annotations", template.metadata.annotations)
    yield from names.check_labels(f"{path}.metadata.labels", template.metadata.labels)
    for field in template.metadata.__struct_fields__:
        if field not in ("labels", "annotations") and getattr(template.metadata, field):
            yield field_errors.forbidden(f"{path}.metadata.{kubernetes_name(field)}", "cannot be set")
    yield from check_claim_spec(f"{path}.spec", template.spec)


def _files(path: str, items: tuple[KeyToPath, ...], default_mode: int | None = None) -> Errors:
    yield from names.check_mode(f"{path}.defaultMode", default_mode)
    for index, item in enumerate(items):
        where = f"{path}.items[{index}]"
        yield from _needs(where, key=item.key, path=item.path)
        yield from names.check_file_path(f"{where}.path", item.path)
        yield from names.check_mode(f"{where}.mode", item.mode)


def _downward_files(path: str, items: tuple[DownwardAPIVolumeFile, ...]) -> Errors:
    # Kubernetes names the volume, not the item, in these.
    for item in items:
        yield from _needs(path, path=item.path)
        yield from names.check_file_path(f"{path}.path", item.path)
        if item.field_ref:
            yield from check_field_ref(f"{path}.fieldRef", item.field_ref, FILE_FIELDS)
            if item.resource_field_ref:
                detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
                yield field_errors.invalid(path, "resource", detail)
        elif item.resource_field_ref:
            yield from check_resource_ref(f"{path}.resourceFieldRef", item.resource_field_ref, in_volume=True)
        else:
            yield field_errors.required(path, "one of fieldRef and resourceFieldRef is required")
        yield from names.check_mode(f"{path}.mode", item.mode)


def _projected(path: str, source: ProjectedVolumeSource) -> Errors:
    yield from names.check_mode(f"{path}.defaultMode", source.default_mode)
    taken: set[str] = set()
    for index, projection in enumerate(source.sources):
        yield from _projection(f"{path}.sources[{index}]", projection)
        for target in _projected_paths(projection):
            if target in taken:
                yield field_errors.invalid(path, target, "conflicting duplicate paths")
            taken.add(target)


def _projection(path: str, projection: VolumeProjection) -> Errors:
    sources = [each for each in projection.__struct_fields__ if getattr(projection, each) is not None]
    if projection.secret:
        yield from _needs(f"{path}.secret", name=projection.secret.name)
        yield from _files(f"{path}.secret", projection.secret.items)
    if projection.config_map:
        yield from _needs(f"{path}.configMap", name=projection.config_map.name)
        yield from _files(f"{path}.configMap", projection.config_map.items)
    if projection.downward_api:
        yield from _downward_files(f"{path}.downwardAPI", projection.downward_api.items)
    token = projection.service_account_token
    if token:
        where = f"{path}.serviceAccountToken"
        seconds = token.expiration_seconds if token.expiration_seconds is not None else _SHORTEST_TOKEN
        if seconds < _SHORTEST_TOKEN:
            detail = "may not specify a duration less than 10 minutes"
            yield field_errors.invalid(f"{where}.expirationSeconds", seconds, detail)
        elif seconds > _LONGEST_TOKEN:
            detail = "may not specify a duration larger than 2^32 seconds"
            yield field_errors.invalid(f"{where}.expirationSeconds", seconds, detail)
        yield from _needs(where, path=token.path)
        yield from names.check_file_path(f"{where}.path", token.path)
    if len(sources) > 1:
        yield field_errors.forbidden(path, "may not specify more than 1 volume type per source")


def _projected_paths(projection: VolumeProjection) -> Iterable[str]:
    for source in (projection.secret, projection.config_map, projection.downward_api):
        if source:
            yield from (item.path for item in source.items if item.path)
    if projection.service_account_token and projection.service_account_token.path:
        yield projection.service_account_token.path
