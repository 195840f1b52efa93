"""What may change in the node: labels, annotations, taints, whether pods are placed on it, and its extended resources;
nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import field_errors, pod_resources, quantity
from podrun.api import validate_names as names
from podrun.api.objects import Node, Taint
from podrun.api.validate_meta import check_meta, check_meta_update
from podrun.api.validate_names import Errors
from podrun.api.validate_scheduling import EFFECTS


def advertised(new: Node, old: Node) -> Node:
    """`old` with the extended resources of `new`: what else is in a node's status is the kubelet's to say, and it makes
    available what somebody else says there is."""
    extended = {name: amount for name, amount in new.status.capacity.items() if not pod_resources.is_native(name)}
    status = old.status
    capacity, allocatable = (
        {name: amount for name, amount in resources.items() if pod_resources.is_native(name)} | extended
        for resources in (status.capacity, status.allocatable)
    )
    return replace(old, status=replace(status, capacity=capacity, allocatable=allocatable))


def check_node_resources(node: Node) -> Errors:
    for name, amount in node.status.capacity.items():
        path, parsed = f"status.capacity.{name}", quantity.parse(amount)
        if parsed.nanos < 0:
            yield field_errors.invalid(path, amount, "must be greater than or equal to 0")
        if not pod_resources.is_native(name) and parsed.nanos % quantity.NANO:
            yield field_errors.invalid(path, amount, "must be an integer")


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
