"""ObjectMeta of every kind, on creation and on update."""

from __future__ import annotations

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import ObjectMeta
from podrun.api.validate_names import Errors, Problems


def check_meta(
    meta: ObjectMeta, *, namespaced: bool = True, name_problems: Problems = names.subdomain_problems
) -> Errors:
    """Metadata of a new object; a generated name is expected to be filled in already."""
    if meta.generate_name:
        # What is appended to it makes a dash at the end harmless.
        for problem in name_problems(meta.generate_name.removesuffix("-") or "-"):
            yield field_errors.invalid("metadata.generateName", meta.generate_name, problem)
    if meta.name:
        yield from names.check("metadata.name", meta.name, name_problems)
    else:
        yield field_errors.required("metadata.name", "name or generateName is required")
    if namespaced:
        yield from names.check_required("metadata.namespace", meta.namespace, names.label_problems)
    elif meta.namespace:
        yield field_errors.forbidden("metadata.namespace", "not allowed on this type")
    yield from names.check_labels("metadata.labels", meta.labels)
    yield from names.check_annotations("metadata.annotations", meta.annotations)
    for finalizer in meta.finalizers:
        yield from names.check("metadata.finalizers", finalizer, names.qualified_name_problems)
    yield from _owners(meta)


def _owners(meta: ObjectMeta) -> Errors:
    controllers = 0
    for index, owner in enumerate(meta.owner_references):
        path = f"metadata.ownerReferences[{index}]"
        for field in ("api_version", "kind", "name", "uid"):
            if not getattr(owner, field):
                shown = "apiVersion" if field == "api_version" else field
                yield field_errors.invalid(f"{path}.{shown}", "", "must not be empty")
        controllers += owner.controller is True
    if controllers > 1:
        detail = "Only one reference can have Controller set to true"
        yield field_errors.invalid("metadata.ownerReferences", meta.owner_references, detail)


def check_meta_update(new: ObjectMeta, old: ObjectMeta) -> Errors:
    """What may never change once an object exists."""
    for field, shown in (
        ("name", "name"),
        ("namespace", "namespace"),
        ("uid", "uid"),
        ("creation_timestamp", "creationTimestamp"),
        ("deletion_timestamp", "deletionTimestamp"),
        ("deletion_grace_period_seconds", "deletionGracePeriodSeconds"),
    ):
        value = getattr(new, field)
        if value != getattr(old, field):
            yield field_errors.invalid(f"metadata.{shown}", value, names.IMMUTABLE)
