"""PersistentVolumes: directories of this machine that somebody set aside, or that podrun made for a claim."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import field_errors, quantity
from podrun.api import validate_names as names
from podrun.api.objects import PersistentVolume
from podrun.api.supported import NOT_YET
from podrun.api.validate_claim import ACCESS_MODES, STORAGE, VOLUME_MODES
from podrun.api.validate_meta import check_meta, check_meta_update
from podrun.api.validate_names import Errors
from podrun.api.validate_volumes import HOST_PATH_TYPES

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")

_SOURCES = {"hostPath": "host_path", "local": "local", "nfs": "nfs", "csi": "csi", "iscsi": "iscsi"}
_NOT_YET = ("nfs", "csi", "iscsi")


def check_volume(volume: PersistentVolume) -> Errors:
    """A volume with defaults set."""
    spec = volume.spec
    yield from check_meta(volume.metadata, namespaced=False)
    if not spec.access_modes:
        yield field_errors.required("spec.accessModes")
    for mode in spec.access_modes:
        if mode not in ACCESS_MODES:
            yield field_errors.not_supported("spec.accessModes", mode, ACCESS_MODES)
    if not spec.capacity:
        yield field_errors.required("spec.capacity")
    elif list(spec.capacity) != [STORAGE]:
        yield field_errors.not_supported("spec.capacity", dict(spec.capacity), (STORAGE,))
    elif quantity.parse(spec.capacity[STORAGE]).nanos <= 0:
        yield field_errors.invalid(f"spec.capacity[{STORAGE}]", spec.capacity[STORAGE], "must be greater than zero")
    yield from names.check_choice(
        "spec.persistentVolumeReclaimPolicy", spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES
    )
    yield from _source(volume)
    if spec.storage_class_name:
        yield from names.check("spec.storageClassName", spec.storage_class_name, names.subdomain_problems)
    if spec.volume_mode not in VOLUME_MODES:
        yield field_errors.not_supported("spec.volumeMode", spec.volume_mode, VOLUME_MODES)
    asked = {
        "volumeMode": spec.volume_mode == "Block",
        "mountOptions": bool(spec.mount_options),
        "persistentVolumeReclaimPolicy": spec.persistent_volume_reclaim_policy == "Recycle",
        **{field: getattr(spec, field) is not None for field in _NOT_YET},
    }
    yield from (field_errors.forbidden(f"spec.{field}", NOT_YET) for field, is_asked in asked.items() if is_asked)


def _source(volume: PersistentVolume) -> Errors:
    spec = volume.spec
    given = [shown for shown, field in _SOURCES.items() if getattr(spec, field) is not None]
    if not given:
        yield field_errors.required("spec", "must specify a volume type")
    for shown in given[1:]:
        yield field_errors.forbidden(f"spec.{shown}", "may not specify more than 1 volume type")
    if spec.host_path is not None:
        yield from _path("spec.hostPath.path", spec.host_path.path)
        if (spec.host_path.type or "") not in HOST_PATH_TYPES:
            yield field_errors.not_supported("spec.hostPath.type", spec.host_path.type, HOST_PATH_TYPES)
    if spec.local is not None:
        yield from _path("spec.local.path", spec.local.path)


def _path(path: str, text: str) -> Errors:
    if not text:
        yield field_errors.required(path)
    elif not text.startswith("/"):
        yield field_errors.invalid(path, text, "must be an absolute path")
    else:
        yield from names.check_no_backsteps(path, text)


def check_volume_update(new: PersistentVolume, old: PersistentVolume) -> Errors:
    yield from check_meta_update(new.metadata, old.metadata)
    yield from check_volume(new)
    if (new.spec.host_path, new.spec.local) != (old.spec.host_path, old.spec.local):
        detail = "spec.persistentvolumesource is immutable after creation"
        yield field_errors.forbidden("spec.persistentvolumesource", detail)
    if new.spec.volume_mode != old.spec.volume_mode:
        yield field_errors.invalid("spec.volumeMode", new.spec.volume_mode, names.IMMUTABLE)


def with_defaults(volume: PersistentVolume) -> PersistentVolume:
    spec = volume.spec
    path = spec.host_path
    return replace(
        volume,
        spec=replace(
            spec,
            persistent_volume_reclaim_policy=spec.persistent_volume_reclaim_policy or "Retain",
            volume_mode=spec.volume_mode or "Filesystem",
            host_path=replace(path, type=path.type or "") if path is not None else None,
        ),
    )
