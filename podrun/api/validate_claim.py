"""PersistentVolumeClaims: what may be asked for, and that only a larger size may be asked for later.

What podrun does not carry out is refused here too: there is one kind of storage, directories of this machine.
"""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import field_errors, quantity
from podrun.api import validate_names as names
from podrun.api.objects import PersistentVolumeClaim, PersistentVolumeClaimSpec
from podrun.api.supported import NOT_YET
from podrun.api.validate_meta import check_meta, check_meta_update
from podrun.api.validate_names import Errors

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
STORAGE = "storage"

_IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def check_claim(claim: PersistentVolumeClaim) -> Errors:
    """A claim with defaults set."""
    yield from check_meta(claim.metadata)
    yield from check_claim_spec("spec", claim.spec)


def check_claim_spec(path: str, spec: PersistentVolumeClaimSpec) -> Errors:
    if not spec.access_modes:
        yield field_errors.required(f"{path}.accessModes", "at least 1 access mode is required")
    for mode in spec.access_modes:
        if mode not in ACCESS_MODES:
            yield field_errors.not_supported(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in spec.access_modes and len(spec.access_modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        yield field_errors.forbidden(f"{path}.accessModes", detail)
    wanted = spec.resources.requests.get(STORAGE)
    if wanted is None:
        yield field_errors.required(f"{path}.resources[{STORAGE}]")
    elif quantity.parse(wanted).nanos <= 0:
        yield field_errors.invalid(f"{path}.resources[{STORAGE}]", wanted, "must be greater than zero")
    if spec.storage_class_name:
        yield from names.check(f"{path}.storageClassName", spec.storage_class_name, names.subdomain_problems)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        yield field_errors.not_supported(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES)
    yield from _not_yet(path, spec)


def _not_yet(path: str, spec: PersistentVolumeClaimSpec) -> Errors:
    asked = {
        "volumeMode": spec.volume_mode == "Block",
        "dataSource": spec.data_source is not None,
        "dataSourceRef": spec.data_source_ref is not None,
        "volumeAttributesClassName": bool(spec.volume_attributes_class_name),
    }
    yield from (field_errors.forbidden(f"{path}.{field}", NOT_YET) for field, is_asked in asked.items() if is_asked)


def check_claim_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Errors:
    yield from check_meta_update(new.metadata, old.metadata)
    yield from check_claim(new)
    volume = old.spec.volume_name or new.spec.volume_name  # it may be set once
    resources = replace(new.spec.resources, requests=old.spec.resources.requests)
    unsized = replace(old.spec, volume_name=volume, resources=resources)
    if replace(new.spec, resources=resources) != unsized or new.spec.resources.limits != old.spec.resources.limits:
        yield field_errors.forbidden("spec", _IMMUTABLE)
        return
    before, after = old.spec.resources.requests.get(STORAGE, "0"), new.spec.resources.requests.get(STORAGE, "0")
    if before == after:
        return
    if old.status.phase != "Bound":
        yield field_errors.forbidden("spec", _IMMUTABLE)
    elif quantity.parse(after).nanos < quantity.parse(before).nanos:
        path = f"spec.resources.requests.{STORAGE}"
        yield field_errors.forbidden(path, "field can not be less than status.capacity")
