"""What may change in a pod that exists: images, a shorter deadline, more tolerations, metadata; nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from podrun.api import field_errors, validate
from podrun.api import validate_names as names
from podrun.api.field_errors import FieldError
from podrun.api.objects import Affinity, Container, NodeSelectorTerm, Pod, PodSpec, Toleration
from podrun.api.validate_meta import check_meta_update
from podrun.api.validate_names import Errors

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)

MIRROR = "kubernetes.io/config.mirror"


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every error of a change from `old` to `new`, both with defaults set."""
    errors = [*check_meta_update(new.metadata, old.metadata), *validate.check_pod(new)]
    errors += _annotations(new.metadata.annotations, old.metadata.annotations)
    for path, newer, older in (
        ("spec.containers", new.spec.containers, old.spec.containers),
        ("spec.initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        if len(newer) != len(older):
            return [*errors, field_errors.forbidden(path, "pod updates may not add or remove containers")]
    errors += _deadline(new.spec, old.spec)
    errors += _tolerations(new.spec.tolerations, old.spec.tolerations)
    errors += _gates(new.spec, old.spec)
    gated = bool(old.spec.scheduling_gates)
    if gated:
        errors += _narrowing(new.spec, old.spec)
    comparable = _with_updatable_fields_of(new.spec, old.spec, gated=gated)
    if comparable != old.spec:
        changes = "\n".join(_differences(msgspec.to_builtins(old.spec), msgspec.to_builtins(comparable), "spec"))
        detail = f"pod updates may not change fields other than {_UPDATABLE}\n{changes}"
        errors.append(field_errors.forbidden("spec", detail))
    return errors


def validate_ephemeral_containers_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every error of new ephemeral containers: those that are there stay as they are."""
    path = "spec.ephemeralContainers"
    errors = [*validate.check_pod(new)]
    if MIRROR in old.metadata.annotations:
        errors.append(field_errors.forbidden("", "static pods do not support ephemeral containers"))
    found = {container.name: container for container in new.spec.ephemeral_containers}
    for before in old.spec.ephemeral_containers:
        after = found.get(before.name)
        if after is None:
            detail = f'existing ephemeral containers "{before.name}" may not be removed\n'
            errors.append(field_errors.forbidden(path, detail))
        elif after != before:
            changes = "\n".join(_differences(msgspec.to_builtins(before), msgspec.to_builtins(after), before.name))
            detail = f'existing ephemeral containers "{before.name}" may not be changed\n{changes}'
            errors.append(field_errors.forbidden(path, detail))
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


def _annotations(new: dict[str, str], old: dict[str, str]) -> Errors:
    """Only the kubelet says which pod stands for a file."""
    path = f"metadata.annotations[{MIRROR}]"
    if MIRROR in old and new.get(MIRROR) != old[MIRROR]:
        yield field_errors.forbidden(path, "may not remove or update mirror pod annotation")
    if MIRROR in new and MIRROR not in old:
        yield field_errors.forbidden(path, "may not add mirror pod annotation")


_ADDITIONS_ONLY = "only additions are allowed (no mutations or deletions)"


def _narrowing(new: PodSpec, old: PodSpec) -> Errors:
    """A pod behind a scheduling gate may still ask for less of the nodes, never for others (KEP-3838)."""
    if any(new.node_selector.get(key) != value for key, value in old.node_selector.items()):
        yield field_errors.invalid("spec.nodeSelector", new.node_selector, _ADDITIONS_ONLY)
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    before, after = _required_terms(old), _required_terms(new)
    if not before:
        return
    if len(after) != len(before):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield field_errors.invalid(path, msgspec.to_builtins(after), detail)
        return
    for index, (older, newer) in enumerate(zip(before, after, strict=True)):
        kept = _begins_with(newer.match_expressions, older.match_expressions)
        if not kept or not _begins_with(newer.match_fields, older.match_fields):
            yield field_errors.invalid(f"{path}[{index}]", msgspec.to_builtins(newer), _ADDITIONS_ONLY)


def _begins_with(new: tuple[Any, ...], old: tuple[Any, ...]) -> bool:
    return new[: len(old)] == old


def _required_terms(spec: PodSpec) -> tuple[NodeSelectorTerm, ...]:
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required.node_selector_terms if required else ()


def _with_node_affinity_of(new: PodSpec, old: PodSpec) -> Affinity | None:
    """The new affinity with the old one's nodes; nothing where that leaves nothing."""
    before = old.affinity.node_affinity if old.affinity else None
    affinity = replace(new.affinity or Affinity(), node_affinity=before)
    return None if affinity == Affinity() and old.affinity is None else affinity


def _with_updatable_fields_of(new: PodSpec, old: PodSpec, *, gated: bool) -> PodSpec:
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
        node_selector=old.node_selector if gated else new.node_selector,
        affinity=_with_node_affinity_of(new, old) if gated else new.affinity,
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
