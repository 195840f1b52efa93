"""Does a pod fit on this one node? kube-scheduler's filters in their order and words, and the kubelet's own admission,
which pods face that name their node themselves. Pure.

Left out: preferences (there is nothing to choose from), preemption, volumes. Rules: kube-scheduler's plugins of 1.33,
pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from podrun.api import objects, pod_resources
from podrun.kubelet import eviction, node_match, pod_match, pod_ports
from podrun.kubelet.pod_match import NamespaceLabels

SCHEDULER = "default-scheduler"
ORDER = ("cpu", "memory", "ephemeral-storage")  # in which shortages are told; any others follow

NODE_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
NODE_PORTS = "node(s) didn't have free ports for the requested pod ports"
TAINTED = "node(s) had taints that the pod didn't tolerate"
GATED = "Scheduling is blocked due to non-empty scheduling gates"
NO_NODES = "no nodes available to schedule pods"

_ANY_ADDRESS = ("", "0.0.0.0", "::")

HostPort = tuple[str, str, int]
"""Address, protocol, port."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A pod and what it takes, or would take, of its node: units as in api/pod_resources.py, and ports."""

    pod: objects.Pod
    requests: dict[str, int]
    ports: tuple[HostPort, ...]


def claim(pod: objects.Pod) -> Claim:
    others = (name for name in pod_resources.names(pod.spec) if name not in ORDER)
    requests = {name: pod_resources.pod_request(pod.spec, name) for name in (*ORDER, *others)}
    return Claim(pod, requests, tuple(_host_ports(pod.spec)))


def _host_ports(spec: objects.PodSpec) -> Iterator[HostPort]:
    for port in pod_ports.published(spec):
        yield port.host_ip, port.protocol or "TCP", port.host_port


@dataclass(frozen=True, slots=True)
class Situation:
    """The node (None: it was deleted), the pods placed on it that have not ended, the namespaces' labels."""

    node: objects.Node | None
    placed: Collection[Claim]
    namespaces: NamespaceLabels


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `reason` and `message` of the condition PodScheduled, or of a failed pod's status."""

    reason: str
    message: str


# ---- the scheduler ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Filtered:
    """What the first filter says that objects. `lasting`: no other pod's end would change it."""

    reasons: tuple[str, ...]
    lasting: bool


def is_ours(pod: objects.Pod) -> bool:
    """A pod that asks for another scheduler waits for that one."""
    return pod.spec.scheduler_name in ("", SCHEDULER)


def obstacle(wanted: Claim, situation: Situation) -> Refusal | None:
    """None: the pod fits."""
    if wanted.pod.spec.scheduling_gates:
        return Refusal("SchedulingGated", GATED)
    if situation.node is None:
        return Refusal("Unschedulable", NO_NODES)
    filtered = _filtered(wanted, situation.node, situation)
    return Refusal("Unschedulable", _message(wanted.pod, filtered)) if filtered else None


def _filtered(wanted: Claim, node: objects.Node, situation: Situation) -> _Filtered | None:
    pod, spec = wanted.pod, wanted.pod.spec
    if node_match.names_other_nodes(spec, node):
        return _Filtered(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), lasting=True)
    if node.spec.unschedulable and not node_match.tolerates(spec.tolerations, node_match.UNSCHEDULABLE):
        return _Filtered(("node(s) were unschedulable",), lasting=True)
    taint = node_match.untolerated(node.spec.taints, spec.tolerations, ("NoSchedule", "NoExecute"))
    if taint is not None:
        return _Filtered((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",), lasting=True)
    if not node_match.selects(spec, node):
        return _Filtered((NODE_AFFINITY,), lasting=True)
    if _ports_are_taken(wanted, situation.placed):
        return _Filtered((NODE_PORTS,), lasting=False)
    missing = tuple(each.words for each in shortages(wanted, node, situation.placed))
    if missing:
        return _Filtered(missing, lasting=False)
    others = [each.pod for each in situation.placed]
    if words := pod_match.spread_problem(pod, others, node):
        return _Filtered((words,), lasting=words == pod_match.SPREAD_LABEL)
    if words := pod_match.company_problem(pod, others, node, situation.namespaces):
        return _Filtered((words,), lasting=words == pod_match.AFFINITY)
    return None


def _message(pod: objects.Pod, filtered: _Filtered) -> str:
    reasons = ", ".join(sorted(f"1 {reason}" for reason in filtered.reasons))
    if pod.spec.preemption_policy == "Never":
        preemption = "not eligible due to preemptionPolicy=Never."
    else:
        help_ = "Preemption is not helpful for scheduling"
        why = help_ if filtered.lasting else "No preemption victims found for incoming pod"
        preemption = f"0/1 nodes are available: 1 {why}."
    return f"0/1 nodes are available: {reasons}. preemption: {preemption}"


def _ports_are_taken(wanted: Claim, placed: Collection[Claim]) -> bool:
    return any(_conflict(mine, theirs) for mine in wanted.ports for other in placed for theirs in other.ports)


def _conflict(one: HostPort, other: HostPort) -> bool:
    if one[1:] != other[1:]:
        return False
    return one[0] == other[0] or one[0] in _ANY_ADDRESS or other[0] in _ANY_ADDRESS


@dataclass(frozen=True, slots=True)
class Shortage:
    """More of one resource is asked for than is left. CPU in thousandths."""

    name: str
    requested: int
    used: int
    capacity: int

    @property
    def words(self) -> str:
        return "Too many pods" if self.name == "pods" else f"Insufficient {self.name}"


def shortages(wanted: Claim, node: objects.Node, placed: Collection[Claim]) -> list[Shortage]:
    allocatable = node.status.allocatable
    found = []
    if len(placed) + 1 > pod_resources.amount(allocatable, "pods"):
        found.append(Shortage("pods", 1, len(placed), pod_resources.amount(allocatable, "pods")))
    for name, requested in wanted.requests.items():
        if not requested:
            continue
        capacity = pod_resources.amount(allocatable, name)
        used = sum(each.requests.get(name, 0) for each in placed)
        if requested > capacity - used:
            found.append(Shortage(name, requested, used, capacity))
    return found


# ---- the kubelet's admission -----------------------------------------------------------------------------------------


def rejection(wanted: Claim, situation: Situation) -> Refusal | None:
    """Why the kubelet fails a pod that is bound to it already; None: it takes the pod."""
    spec, node = wanted.pod.spec, situation.node
    if node is None:
        return Refusal("InvalidNodeInfo", "Kubelet cannot get node info.")
    holding = {each.type for each in node.status.conditions if each.type in eviction.TAINTS and each.status == "True"}
    if under_pressure := eviction.turned_away(wanted.pod, holding):
        return Refusal("Evicted", under_pressure)
    if missing := shortages(wanted, node, situation.placed):
        return Refusal(f"OutOf{missing[0].name}", shortage_message(missing[0]))
    if not node_match.selects(spec, node):
        return _failed("NodeAffinity", NODE_AFFINITY)
    if _ports_are_taken(wanted, situation.placed):
        return _failed("NodePorts", NODE_PORTS)
    if node_match.untolerated(node.spec.taints, spec.tolerations, ("NoExecute",)):
        return _failed("TaintToleration", TAINTED)
    return None


def shortage_message(short: Shortage) -> str:
    return (
        f"Node didn't have enough resource: {short.name}, requested: {short.requested}, used: {short.used}, "
        f"capacity: {short.capacity}"
    )


def _failed(predicate: str, why: str) -> Refusal:
    return Refusal(predicate, f"Predicate {predicate} failed: {why}")
