"""What may change in a pod that exists: images, a shorter deadline, more tolerations, metadata; nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from podrun.api import field_errors, validate
from podrun.api import validate_names as names
from podrun.api.field_errors import FieldError
from podrun.api.objects import Container, Pod, PodSpec, Toleration
from podrun.api.validate_meta import check_meta_update
from podrun.api.validate_names import Errors

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every error of a change from `old` to `new`, both with defaults set."""
    errors = [*check_meta_update(new.metadata, old.metadata), *validate.check_pod(new)]
    for path, newer, older in (
        ("spec.containers", new.spec.containers, old.spec.containers),
        ("spec.initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        if len(newer) != len(older):
            return [*errors, field_errors.forbidden(path, "pod updates may not add or remove containers")]
    errors += _deadline(new.spec, old.spec)
    errors += _tolerations(new.spec.tolerations, old.spec.tolerations)
    errors += _gates(new.spec, old.spec)
    comparable = _with_updatable_fields_of(new.spec, old.spec)
    if comparable != old.spec:
        changes = "\n".join(_differences(msgspec.to_builtins(old.spec), msgspec.to_builtins(comparable), "spec"))
        detail = f"pod updates may not change fields other than {_UPDATABLE}\n{changes}"
        errors.append(field_errors.forbidden("spec", detail))
    return errors


def _deadline(new: PodSpec, old: PodSpec) -> Errors:
    path, deadline, before = "spec.activeDeadlineSeconds", new.active_deadline_seconds, old.active_deadline_seconds
    if deadline is None:
        if before is not None:
            yield field_errors.invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= deadline <= names.LARGEST_ID:
        yield from names.check_range(path, deadline, 0, names.LARGEST_ID)
    elif before is not None and before < deadline:
        yield field_errors.invalid(path, deadline, "must be less than or equal to previous value")


def _tolerations(new: tuple[Toleration, ...], old: tuple[Toleration, ...]) -> Errors:
    kept = {replace(toleration, toleration_seconds=None) for toleration in new}
    if any(replace(toleration, toleration_seconds=None) not in kept for toleration in old):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield field_errors.forbidden("spec.tolerations", detail)


def _gates(new: PodSpec, old: PodSpec) -> Errors:
    before = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in before:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield field_errors.forbidden(f"spec.schedulingGates[{index}].name", detail)


def _with_updatable_fields_of(new: PodSpec, old: PodSpec) -> PodSpec:
    """The new spec with whatever may change put back: any difference left is an error."""
    grace = new.termination_grace_period_seconds
    before = old.termination_grace_period_seconds
    if before is not None and before < 0 and grace == 1:
        grace = before
    return replace(
        new,
        containers=_with_images_of(new.containers, old.containers),
        init_containers=_with_images_of(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
        termination_grace_period_seconds=grace,
    )


def _with_images_of(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    return tuple(replace(newer, image=older.image) for newer, older in zip(new, old, strict=True))


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """One line for each value that differs, old with `-`, new with `+`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        for index in range(max(len(old), len(new))):
            older = old[index] if index < len(old) else None
            newer = new[index] if index < len(new) else None
            yield from _differences(older, newer, f"{path}[{index}]")
    elif old != new:
        if old is not None:
            yield f"- {path}: {field_errors.value_text(old)}"
        if new is not None:
            yield f"+ {path}: {field_errors.value_text(new)}"
