"""From requests and limits to cgroup limits and oom_score_adj. Pure.

Rules: pkg/kubelet/qos/policy.go, pkg/kubelet/cm/helpers_linux.go. Sums over containers are in api/pod_resources.py.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from cgroups import limits as formulas
from cgroups.limits import Amount, Limits
from podrun.api import objects, pod_resources, quantity
from podrun.api.pod_resources import amount, request

PAUSE_OOM_SCORE_ADJ = -998
GUARANTEED_OOM_SCORE_ADJ = -997
BEST_EFFORT_OOM_SCORE_ADJ = 1000
NODE_CRITICAL = "system-node-critical"
THROTTLING_FACTOR = 0.9  # the kubelet's memoryThrottlingFactor

CLASS_GROUPS = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}


@dataclass(frozen=True, slots=True)
class Node:
    """What plans and limits need to know of the machine."""

    memory: int  # bytes
    layers_dir: str
    huge_page_sizes: tuple[int, ...] = ()  # bytes; those of which there are pages
    memory_qos: bool = False  # the feature gate MemoryQoS
    log_max_bytes: int = 10 << 20  # of one log file
    log_max_files: int = 5  # of one run
    masked: tuple[str, ...] = ()  # what no container may read, besides what is so everywhere


def container_limits(resources: objects.ResourceRequirements, node: Node) -> Limits:
    """The cgroup limits of one container. An OOM kill takes all of it (memory.oom.group), as in Kubernetes 1.28+.

    Of the machine's huge pages a container gets only those that it asks for.
    """
    limits = formulas.from_resources(
        cpu_request_milli=amount(resources.requests, "cpu") if "cpu" in resources.requests else None,
        cpu_limit_milli=amount(resources.limits, "cpu"),
        memory_limit=amount(resources.limits, "memory"),
        oom_group=True,
    )
    if node.memory_qos:
        asked, most = request(resources, "memory"), amount(resources.limits, "memory")
        limits = replace(limits, memory_min=asked, memory_high=_memory_high(asked, most, node.memory))
    return replace(limits, hugetlb=_huge_pages(resources.limits, node.huge_page_sizes))


def _memory_high(asked: int, most: int, node_memory: int) -> Amount:
    """Where a container's memory begins to be reclaimed (KEP-2570): at 90 % of the way from request to limit."""
    if asked == most:
        return "max"
    high = int(asked + THROTTLING_FACTOR * ((most or node_memory) - asked)) // mmap.PAGESIZE * mmap.PAGESIZE
    return high if high > asked else "max"


def pod_limits(spec: objects.PodSpec, node: Node) -> Limits:
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
    if node.memory_qos:
        limits = replace(limits, memory_min=pod_resources.pod_request(spec, "memory"))
    return replace(limits, hugetlb=_huge_pages(together, node.huge_page_sizes))


@dataclass(frozen=True, slots=True)
class Share:
    """What a pod adds to the group of its class: thousandths of a processor, and bytes."""

    qos_class: str
    cpu_milli: int
    memory: int


def share(spec: objects.PodSpec) -> Share:
    cpu, memory = pod_resources.pod_request(spec, "cpu"), pod_resources.pod_request(spec, "memory")
    return Share(pod_resources.qos_class(spec), cpu, memory)


def class_limits(shares: Iterable[Share], node: Node) -> dict[str, Limits]:
    """The limits of the groups above the pods, by the end of their path: what all pods of a class ask for together.

    Of pods that have not ended; a class without any is left out.
    """
    cpu: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for each in shares:
        cpu[each.qos_class] += each.cpu_milli
        memory[each.qos_class] += each.memory
    limits = {
        CLASS_GROUPS[name]: Limits(cpu_shares=formulas.shares_from_milli_cpu(milli))
        for name, milli in cpu.items()
        if name != "Guaranteed"
    }
    if node.memory_qos:
        limits[""] = Limits(memory_min=memory.total())
        if "Burstable" in memory:
            bursting = CLASS_GROUPS["Burstable"]
            limits[bursting] = replace(limits[bursting], memory_min=memory["Burstable"])
    return limits


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
    if spec.priority_class_name == NODE_CRITICAL:
        return GUARANTEED_OOM_SCORE_ADJ
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
