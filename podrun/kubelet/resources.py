"""From requests and limits to cgroup limits and oom_score_adj. Pure.

Rules: pkg/kubelet/qos/policy.go, pkg/kubelet/cm/helpers_linux.go. Sums over containers are in api/pod_resources.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from cgroups import limits as formulas
from cgroups.limits import Limits
from podrun.api import objects, pod_resources, quantity
from podrun.api.pod_resources import amount, request

PAUSE_OOM_SCORE_ADJ = -998
GUARANTEED_OOM_SCORE_ADJ = -997
BEST_EFFORT_OOM_SCORE_ADJ = 1000

CLASS_GROUPS = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}


def container_limits(resources: objects.ResourceRequirements, huge_page_sizes: Collection[int] = ()) -> Limits:
    """The cgroup limits of one container. An OOM kill takes all of it (memory.oom.group), as in Kubernetes 1.28+.

    `huge_page_sizes`: those, in bytes, of which this machine has pages; a container gets only those that it asks for.
    """
    limits = formulas.from_resources(
        cpu_request_milli=amount(resources.requests, "cpu") if "cpu" in resources.requests else None,
        cpu_limit_milli=amount(resources.limits, "cpu"),
        memory_limit=amount(resources.limits, "memory"),
        oom_group=True,
    )
    return replace(limits, hugetlb=_huge_pages(resources.limits, huge_page_sizes))


def pod_limits(spec: objects.PodSpec, huge_page_sizes: Collection[int] = ()) -> Limits:
    """The limits of the group around all containers: the pod's own, or a sum where every container has a limit."""
    limits = formulas.from_resources(
        cpu_request_milli=pod_resources.pod_request(spec, "cpu"),
        cpu_limit_milli=pod_resources.pod_limit(spec, "cpu"),
        memory_limit=pod_resources.pod_limit(spec, "memory"),
    )
    together = {
        name: str(pod_resources.pod_request(spec, name))  # requests and limits of huge pages are equal
        for name in pod_resources.names(spec)
        if name.startswith(pod_resources.HUGE)
    }
    return replace(limits, hugetlb=_huge_pages(together, huge_page_sizes))


def _huge_pages(limits: Mapping[str, str], sizes: Collection[int]) -> dict[str, int]:
    words = {formulas.huge_page_word(size): 0 for size in sizes}
    for name in limits:
        if name.startswith(pod_resources.HUGE):
            size = quantity.bytes_value(name.removeprefix(pod_resources.HUGE))
            words[formulas.huge_page_word(size)] = amount(limits, name)
    return words


def cgroup_of_pod(parent: str, spec: objects.PodSpec, uid: str) -> str:
    """`<parent>/pod<uid>`, below `burstable` or `besteffort` for those classes."""
    return f"{parent}{CLASS_GROUPS[pod_resources.qos_class(spec)]}/pod{uid}"


def oom_score_adj(spec: objects.PodSpec, container: objects.Container, node_memory: int) -> int:
    """Who the kernel's OOM killer takes first, -997 to 1000; `node_memory` in bytes."""
    match pod_resources.qos_class(spec):
        case "Guaranteed":
            return GUARANTEED_OOM_SCORE_ADJ
        case "BestEffort":
            return BEST_EFFORT_OOM_SCORE_ADJ
    score = _burstable_score(spec, container, node_memory)
    if objects.is_sidecar(container) and container in spec.init_containers:
        score = min(score, *(_burstable_score(spec, each, node_memory) for each in spec.containers))
    return min(max(score, 1000 + GUARANTEED_OOM_SCORE_ADJ), BEST_EFFORT_OOM_SCORE_ADJ - 1)


def _burstable_score(spec: objects.PodSpec, container: objects.Container, node_memory: int) -> int:
    asked = request(container.resources, "memory") + _unshared_memory(spec)
    return 1000 - 1000 * asked // max(node_memory, 1)


def _unshared_memory(spec: objects.PodSpec) -> int:
    """Each container's part of what the pod itself asks for beyond its containers, in bytes."""
    said = pod_resources.own(spec)
    if said is None or not amount(said.requests, "memory"):
        return 0
    rest = amount(said.requests, "memory") - pod_resources.container_requests(spec, "memory")
    return rest // (len(spec.containers) + len(spec.init_containers))
