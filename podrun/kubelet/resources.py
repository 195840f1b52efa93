"""From requests and limits to QoS class, cgroup limits and oom_score_adj. Pure.

Rules: pkg/apis/core/v1/helper/qos, pkg/kubelet/qos/policy.go, pkg/kubelet/cm/helpers_linux.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cgroups import limits as formulas
from cgroups.limits import Limits
from podrun.api import objects, quantity

PAUSE_OOM_SCORE_ADJ = -998
GUARANTEED_OOM_SCORE_ADJ = -997
BEST_EFFORT_OOM_SCORE_ADJ = 1000

COUNTED = ("cpu", "memory")  # for the QoS class and the limits of the pod


def amount(resources: Mapping[str, str], name: str) -> int:
    """Thousandths of a CPU, or units of anything else (bytes of memory); 0 where nothing is said."""
    if name not in resources:
        return 0
    return quantity.milli_cpu(resources[name]) if name == "cpu" else quantity.bytes_value(resources[name])


def qos_class(spec: objects.PodSpec) -> str:
    """Guaranteed, Burstable or BestEffort; only cpu and memory count, and zero counts as nothing said."""
    containers = (*spec.init_containers, *spec.containers)
    if all(_is_guaranteed(c.resources) for c in containers):
        return "Guaranteed"
    said = any(
        amount(side, name)
        for c in containers
        for side in (c.resources.requests, c.resources.limits)
        for name in COUNTED
    )
    return "Burstable" if said else "BestEffort"


def _is_guaranteed(resources: objects.ResourceRequirements) -> bool:
    return all(
        amount(resources.limits, name) and amount(resources.limits, name) == _request(resources, name)
        for name in COUNTED
    )


def _request(resources: objects.ResourceRequirements, name: str) -> int:
    return amount(resources.requests if name in resources.requests else resources.limits, name)


def pod_request(spec: objects.PodSpec, name: str) -> int:
    """What the pod as a whole asks for; `name` is any resource."""
    return _at_once(spec, lambda container: _request(container.resources, name))


def _at_once(spec: objects.PodSpec, amount_of: Callable[[objects.Container], int]) -> int:
    """The most that runs at once (KEP-753): containers and all sidecars, or an init container and those before it."""
    sidecars = most = 0
    for container in spec.init_containers:
        if objects.is_sidecar(container):
            sidecars += amount_of(container)
        else:
            most = max(most, sidecars + amount_of(container))
    return max(most, sidecars + sum(amount_of(container) for container in spec.containers))


def container_limits(resources: objects.ResourceRequirements) -> Limits:
    """The cgroup limits of one container. An OOM kill takes all of it (memory.oom.group), as in Kubernetes 1.28+."""
    return formulas.from_resources(
        cpu_request_milli=amount(resources.requests, "cpu") if "cpu" in resources.requests else None,
        cpu_limit_milli=amount(resources.limits, "cpu"),
        memory_limit=amount(resources.limits, "memory"),
        oom_group=True,
    )


def pod_limits(spec: objects.PodSpec) -> Limits:
    """The limits of the group around all containers: a sum where every container has a limit, else none."""
    return formulas.from_resources(
        cpu_request_milli=pod_request(spec, "cpu"),
        cpu_limit_milli=_limit_of_all(spec, "cpu"),
        memory_limit=_limit_of_all(spec, "memory"),
    )


def _limit_of_all(spec: objects.PodSpec, name: str) -> int:
    if not all(amount(c.resources.limits, name) for c in (*spec.init_containers, *spec.containers)):
        return 0
    return _at_once(spec, lambda container: amount(container.resources.limits, name))


def cgroup_of_pod(parent: str, spec: objects.PodSpec, uid: str) -> str:
    """`<parent>/pod<uid>`, below `burstable` or `besteffort` for those classes."""
    middle = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}[qos_class(spec)]
    return f"{parent}{middle}/pod{uid}"


def oom_score_adj(spec: objects.PodSpec, container: objects.Container, node_memory: int) -> int:
    """Who the kernel's OOM killer takes first, -997 to 1000; `node_memory` in bytes."""
    match qos_class(spec):
        case "Guaranteed":
            return GUARANTEED_OOM_SCORE_ADJ
        case "BestEffort":
            return BEST_EFFORT_OOM_SCORE_ADJ
        case _:
            share = 1000 * _request(container.resources, "memory") // max(node_memory, 1)
            return min(max(1000 - share, 3), 999)
