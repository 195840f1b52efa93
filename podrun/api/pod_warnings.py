"""What Kubernetes takes, but warns of (pkg/api/pod/warnings.go): amounts of memory that are no whole bytes."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import objects, quantity

WHOLE_BYTES = ("memory", "ephemeral-storage")


def warnings(subject: objects.Object) -> tuple[str, ...]:
    """Of an object that is created or changed; expects it to be valid."""
    return tuple(_of_pod(subject)) if isinstance(subject, objects.Pod) else ()


def _of_pod(pod: objects.Pod) -> Iterator[str]:
    spec = pod.spec
    for shown, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            yield from _of_resources(f"spec.{shown}[{index}].resources", container.resources)
    if spec.resources:
        yield from _of_resources("spec.resources", spec.resources)


def _of_resources(path: str, resources: objects.ResourceRequirements) -> Iterator[str]:
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name in WHOLE_BYTES:
            amount = quantity.parse(amounts.get(name, "0"))
            if amount.nanos % quantity.NANO:
                yield f'{path}.{kind}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'
