"""What may change in the node: labels, annotations, taints, whether pods are placed on it; nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import Node, Taint
from podrun.api.validate_meta import check_meta, check_meta_update
from podrun.api.validate_names import Errors
from podrun.api.validate_scheduling import EFFECTS


def check_node_update(new: Node, old: Node) -> Errors:
    yield from check_meta_update(new.metadata, old.metadata)
    yield from check_meta(new.metadata, namespaced=False)
    yield from _taints("metadata.taints", new.spec.taints)  # Kubernetes' path, wrong as it is
    if replace(new.spec, taints=old.spec.taints, unschedulable=old.spec.unschedulable) != old.spec:
        detail = "node updates may only change labels, taints, or capacity"
        yield field_errors.forbidden("spec", detail)


def _taints(path: str, taints: tuple[Taint, ...]) -> Errors:
    seen = set()
    for index, taint in enumerate(taints):
        where = f"{path}[{index}]"
        yield from names.check(f"{where}.key", taint.key, names.qualified_name_problems)
        if problems := names.label_value_problems(taint.value):
            yield field_errors.invalid(f"{where}.value", taint.value, ";".join(problems))
        if not taint.effect:
            yield field_errors.required(f"{where}.effect")
        elif taint.effect not in EFFECTS:
            yield field_errors.not_supported(f"{where}.effect", taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            yield field_errors.duplicate(where, f"{taint.key}:{taint.effect}")
        seen.add((taint.key, taint.effect))
