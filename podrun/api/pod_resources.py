"""What a pod asks for as a whole, and the class of service that follows: sums over containers, or its own word. Pure.

Rules: component-helpers/resource (PodRequests, PodLimits), pkg/apis/core/v1/helper/qos, KEP-753 (sidecars), KEP-2837
(resources of the pod itself).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podrun.api import quantity
from podrun.api.objects import Container, PodSpec, ResourceRequirements, is_sidecar
from podrun.api.quantity import Amount

HUGE = "hugepages-"
COUNTED = ("cpu", "memory")  # for the QoS class and the limits of the pod


def is_native(name: str) -> bool:
    """Kubernetes' own, and not an extended resource such as `example.com/gpu`."""
    return "/" not in name or "kubernetes.io/" in name


def may_overcommit(name: str) -> bool:
    """Whether a limit may be above the request."""
    return is_native(name) and not name.startswith(HUGE)


def is_for_pods(name: str) -> bool:
    """Whether `spec.resources` may speak of it."""
    return name in COUNTED or name.startswith(HUGE)


def own(spec: PodSpec) -> ResourceRequirements | None:
    """The resources of the pod itself, where it says any."""
    resources = spec.resources
    return resources if resources and (resources.requests or resources.limits) else None


def amount(resources: Mapping[str, str], name: str) -> int:
    """Thousandths of a CPU, or units of anything else (bytes of memory); 0 where nothing is said."""
    if name not in resources:
        return 0
    return quantity.milli_cpu(resources[name]) if name == "cpu" else quantity.bytes_value(resources[name])


def request(resources: ResourceRequirements, name: str) -> int:
    """A limit alone is the request too."""
    return amount(resources.requests if name in resources.requests else resources.limits, name)


def pod_request(spec: PodSpec, name: str) -> int:
    """What the pod as a whole asks for; `name` is any resource."""
    said = own(spec)
    if said is not None and is_for_pods(name) and name in said.requests:
        return amount(said.requests, name)
    return container_requests(spec, name)


def container_requests(spec: PodSpec, name: str) -> int:
    return at_once(spec, lambda container: request(container.resources, name))


def pod_limit(spec: PodSpec, name: str) -> int:
    """The most that the pod may take; 0 where it, or one of its containers, has no limit."""
    said = own(spec)
    if said is not None and is_for_pods(name) and name in said.limits:
        return amount(said.limits, name)
    if not all(amount(c.resources.limits, name) for c in (*spec.init_containers, *spec.containers)):
        return 0
    return at_once(spec, lambda container: amount(container.resources.limits, name))


def names(spec: PodSpec) -> tuple[str, ...]:
    """Every resource that the pod asks for, sorted."""
    parts = [container.resources for container in (*spec.init_containers, *spec.containers)]
    parts += [said] if (said := own(spec)) else []
    return tuple(sorted({name for part in parts for name in (*part.requests, *part.limits)}))


def at_once(spec: PodSpec, amount_of: Callable[[Container], int]) -> int:
    """The most that runs at once (KEP-753): containers and all sidecars, or an init container and those before it."""
    sidecars = most = 0
    for container in spec.init_containers:
        if is_sidecar(container):
            sidecars += amount_of(container)
        else:
            most = max(most, sidecars + amount_of(container))
    return max(most, sidecars + sum(amount_of(container) for container in spec.containers))


def aggregate(spec: PodSpec, of: Callable[[ResourceRequirements], Mapping[str, str]]) -> dict[str, Amount]:
    """What all containers together name in `of` (requests or limits), as quantities that print as they were written."""
    said = [of(container.resources) for container in (*spec.init_containers, *spec.containers)]
    notations = {name: quantity.parse(text).notation for each in reversed(said) for name, text in each.items()}

    def nanos(container: Container, name: str) -> int:
        text = of(container.resources).get(name)
        return quantity.parse(text).nanos if text else 0

    return {
        name: Amount(at_once(spec, lambda container, name=name: nanos(container, name)), notation)  # type: ignore[misc]
        for name, notation in sorted(notations.items())
    }


def qos_class(spec: PodSpec) -> str:
    """Guaranteed, Burstable or BestEffort; only cpu and memory count, and zero counts as nothing said.

    Where the pod itself has resources, they decide alone.
    """
    said = own(spec)
    parts = [said] if said else [container.resources for container in (*spec.init_containers, *spec.containers)]
    if all(_is_guaranteed(each) for each in parts):
        return "Guaranteed"
    anything = any(amount(side, name) for each in parts for side in (each.requests, each.limits) for name in COUNTED)
    return "Burstable" if anything else "BestEffort"


def _is_guaranteed(resources: ResourceRequirements) -> bool:
    return all(
        amount(resources.limits, name) and amount(resources.limits, name) == request(resources, name)
        for name in COUNTED
    )
