"""What may change in the resources of a running pod (KEP-1287): cpu and memory of containers, within its QoS class."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import field_errors, pod_resources, validate
from podrun.api.field_errors import FieldError
from podrun.api.objects import Container, Pod, PodSpec, ResourceRequirements, is_sidecar
from podrun.api.validate_names import Errors
from podrun.api.validate_update import MIRROR

_ONLY = "only cpu and memory resources are mutable"


def resized(asked: Pod, old: Pod) -> Pod:
    """`old` with what a resize may carry over from `asked`: resources, of containers of the same name."""
    spec, wanted = old.spec, asked.spec
    return replace(
        old,
        spec=replace(
            spec,
            containers=_with_resources_of(spec.containers, wanted.containers),
            init_containers=_with_resources_of(spec.init_containers, wanted.init_containers),
        ),
    )


def _with_resources_of(old: tuple[Container, ...], asked: tuple[Container, ...]) -> tuple[Container, ...]:
    wanted = {container.name: container.resources for container in asked}
    return tuple(replace(each, resources=wanted.get(each.name, each.resources)) for each in old)


def validate_resize(new: Pod, old: Pod) -> list[FieldError]:
    """Every error of a change from `old` to `new`, which differ in resources alone; both with defaults set."""
    for refused, why in (
        (pod_resources.own(old.spec) is not None, "pods with pod-level resources cannot be resized"),
        (MIRROR in old.metadata.annotations, "static pods cannot be resized"),
    ):
        if refused:
            return [field_errors.forbidden("", why)]
    errors = list(validate.check_pod(new))
    if pod_resources.qos_class(new.spec) != pod_resources.qos_class(old.spec):
        detail = "Pod QOS Class may not change as a result of resizing"
        errors.append(field_errors.invalid("spec", old.status.qos_class, detail))
    return [*errors, *_containers(new.spec, old.spec)]


def _containers(new: PodSpec, old: PodSpec) -> Errors:
    for index, (newer, older) in enumerate(zip(new.init_containers, old.init_containers, strict=True)):
        if is_sidecar(older):
            yield from _removed(f"spec.initContainers[{index}].resources", newer.resources, older.resources)
            if not _same_beside_cpu_and_memory(newer.resources, older.resources):
                yield field_errors.forbidden("spec", "only cpu and memory resources for sidecar containers are mutable")
        elif newer.resources != older.resources:
            yield field_errors.forbidden("spec", "resources for non-sidecar init containers are immutable")
    for index, (newer, older) in enumerate(zip(new.containers, old.containers, strict=True)):
        yield from _removed(f"spec.containers[{index}].resources", newer.resources, older.resources)
        if not _same_beside_cpu_and_memory(newer.resources, older.resources):
            yield field_errors.forbidden("spec", _ONLY)


def _removed(path: str, new: ResourceRequirements, old: ResourceRequirements) -> Errors:
    for shown, newer, older in (("requests", new.requests, old.requests), ("limits", new.limits, old.limits)):
        if older.keys() - newer.keys():
            yield field_errors.forbidden(f"{path}.{shown}", f"resource {shown} cannot be removed")


def _same_beside_cpu_and_memory(new: ResourceRequirements, old: ResourceRequirements) -> bool:
    def rest(resources: ResourceRequirements) -> tuple[object, ...]:
        kept = [
            {name: text for name, text in amounts.items() if name not in pod_resources.COUNTED}
            for amounts in (resources.requests, resources.limits)
        ]
        return (*kept, resources.claims)

    return rest(new) == rest(old)
