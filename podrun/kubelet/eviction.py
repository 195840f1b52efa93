"""Which pod must go, and what is said of it: limits of local storage, memory and disk of the node. Pure.

Rules: pkg/kubelet/eviction (helpers.go, eviction_manager.go).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from podrun.api import objects, pod_resources, quantity
from podrun.kubelet import volume_places

CRITICAL = 2_000_000_000
"""Pods of this priority (system-cluster-critical) or a higher one are never evicted."""
MIRROR = "kubernetes.io/config.mirror"

MEMORY, STORAGE, INODES = "memory", "ephemeral-storage", "inodes"
RESOURCES = {"memory.available": MEMORY, "nodefs.available": STORAGE, "nodefs.inodesFree": INODES}
"""What runs short, by the signal that tells."""
SIGNALS = {resource: signal for signal, resource in RESOURCES.items()}
PRESSURES = {MEMORY: "MemoryPressure", STORAGE: "DiskPressure", INODES: "DiskPressure"}
TAINTS = {
    "MemoryPressure": objects.Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule"),
    "DiskPressure": objects.Taint(key="node.kubernetes.io/disk-pressure", effect="NoSchedule"),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """`signal<text`: below this the node is under pressure. An amount, or a part of what there is."""

    signal: str
    text: str  # as in `100Mi` or `10%`

    def amount(self, capacity: int) -> int:
        if self.text.endswith("%"):
            return int(float(self.text[:-1]) / 100 * capacity)
        return quantity.bytes_value(self.text)


@dataclass(frozen=True, slots=True)
class Reading:
    available: int  # bytes, or inodes
    capacity: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A threshold that is crossed."""

    resource: str
    least: int
    available: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a pod takes, in bytes: by container, and on the disk by emptyDir. `inodes` are the whole pod's."""

    pod: objects.Pod
    memory: Mapping[str, int]
    disk: Mapping[str, int]
    volumes: Mapping[str, int]
    inodes: int = 0

    def total(self, resource: str) -> int:
        match resource:
            case "memory":
                return sum(self.memory.values())
            case "inodes":
                return self.inodes
            case _:
                return sum(self.disk.values()) + sum(self.volumes.values())


# ---- limits of pods --------------------------------------------------------------------------------------------------


def limits_storage(pod: objects.Pod) -> bool:
    """Whether the disk that the pod takes must be measured for its own limits."""
    limited = any(STORAGE in each.resources.limits for each in (*pod.spec.init_containers, *pod.spec.containers))
    return limited or any(_size_limit(volume) for volume in pod.spec.volumes)


def _size_limit(volume: objects.Volume) -> str:
    on_disk = volume.empty_dir is not None and not volume_places.is_in_memory(volume)
    return (volume.empty_dir.size_limit or "") if on_disk and volume.empty_dir else ""


@dataclass(frozen=True, slots=True)
class Excess:
    """What a pod is told that takes more of the disk than it may, and what its eviction is counted as."""

    signal: str
    message: str


def over_its_storage(use: Use) -> Excess | None:
    spec = use.pod.spec
    for volume in spec.volumes:
        limit = _size_limit(volume)
        if limit and quantity.bytes_value(limit) and use.volumes.get(volume.name, 0) > quantity.bytes_value(limit):
            text = f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{quantity.canonical(limit)}". '
            return Excess("emptydirfs.limit", text)
    limits = pod_resources.aggregate(spec, lambda each: each.limits)
    if STORAGE in limits and use.total(STORAGE) > limits[STORAGE].scaled_up(1):
        text = f"Pod ephemeral local storage usage exceeds the total limit of containers {limits[STORAGE]}. "
        return Excess("ephemeralpodfs.limit", text)
    for container in (*spec.init_containers, *spec.containers):
        own = container.resources.limits.get(STORAGE)
        if own is not None and use.disk.get(container.name, 0) > quantity.bytes_value(own):
            shown = quantity.canonical(own)
            text = f'Container {container.name} exceeded its local ephemeral storage limit "{shown}". '
            return Excess("ephemeralcontainerfs.limit", text)
    return None


# ---- pressure on the node --------------------------------------------------------------------------------------------


def shortages(thresholds: Collection[Threshold], readings: Mapping[str, Reading]) -> list[Shortage]:
    """Every threshold that is crossed, memory first; `readings` by signal."""
    found = []
    for threshold in sorted(thresholds, key=lambda each: list(RESOURCES).index(each.signal)):
        reading = readings.get(threshold.signal)
        if reading is None:
            continue
        least = threshold.amount(reading.capacity)
        if reading.available < least:
            found.append(Shortage(RESOURCES[threshold.signal], least, reading.available))
    return found


def allocatable(capacity: Mapping[str, str], thresholds: Collection[Threshold]) -> dict[str, str]:
    """What of the node's capacity is for pods: what they would be evicted for is not (cm.hardEvictionReservation)."""
    left = dict(capacity)
    for threshold in thresholds:
        resource = RESOURCES[threshold.signal]
        if resource in capacity:
            whole = quantity.bytes_value(capacity[resource])
            left[resource] = quantity.from_bytes(max(whole - threshold.amount(whole), 0))
    return left


def is_critical(pod: objects.Pod) -> bool:
    return (pod.spec.priority or 0) >= CRITICAL or MIRROR in pod.metadata.annotations


def victim(shortage: Shortage, uses: Collection[Use]) -> Use | None:
    """Who goes first: who takes more than it asked for, then who has less priority, then who takes most beyond that."""
    may_go = [use for use in uses if not is_critical(use.pod)]
    return min(may_go, key=_rank(shortage.resource), default=None)


def _rank(resource: str) -> Callable[[Use], tuple[bool, int, int]]:
    def rank(use: Use) -> tuple[bool, int, int]:
        asked = 0 if resource == INODES else pod_resources.pod_request(use.pod.spec, resource)
        beyond = use.total(resource) - asked
        return beyond <= 0 and resource != INODES, use.pod.spec.priority or 0, -beyond

    return rank


def message(shortage: Shortage, use: Use) -> str:
    """What the pod is told that has to go for it."""
    shown = quantity.from_bytes if shortage.resource != INODES else str
    text = (
        f"The node was low on resource: {shortage.resource}. "
        f"Threshold quantity: {shown(shortage.least)}, available: {_kibibytes(shortage)}. "
    )
    taken = {MEMORY: use.memory, STORAGE: use.disk}.get(shortage.resource, {})
    for container in use.pod.spec.containers:
        used, asked = taken.get(container.name, 0), container.resources.requests.get(shortage.resource, "0")
        if used > quantity.bytes_value(asked):
            text += (
                f"Container {container.name} was using {quantity.from_bytes(used // 1024 * 1024)}, "
                f"request is {quantity.canonical(asked)}, has larger consumption of {shortage.resource}. "
            )
    return text


def _kibibytes(shortage: Shortage) -> str:
    if shortage.resource == INODES:
        return str(shortage.available)
    return quantity.from_bytes(shortage.available // 1024 * 1024)


def pressures(shortages: Collection[Shortage], seen_at: Mapping[str, float], now: float, period: float) -> set[str]:
    """The node's conditions that hold: for `period` seconds after the last shortage, as told by `seen_at`."""
    current = {PRESSURES[each.resource] for each in shortages}
    return current | {name for name, at in seen_at.items() if now - at < period}


_WORDS = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
}


def pressed(condition: objects.NodeCondition, holding: Collection[str], moment: str) -> objects.NodeCondition:
    """The node's condition at this moment (RFC 3339); one that is not about pressure stays."""
    words = _WORDS.get(condition.type)
    if words is None:
        return condition
    holds = condition.type in holding
    reason, text = words[holds]
    status = "True" if holds else "False"
    since = condition.last_transition_time if condition.status == status else moment
    return objects.NodeCondition(
        type=condition.type,
        status=status,
        last_heartbeat_time=moment,
        last_transition_time=since,
        reason=reason,
        message=text,
    )


def taints(before: Collection[objects.Taint], holding: Collection[str]) -> tuple[objects.Taint, ...]:
    """The node's taints, with those of pressure as it is now."""
    others = tuple(each for each in before if each.key not in {taint.key for taint in TAINTS.values()})
    return (*others, *(TAINTS[name] for name in sorted(holding)))


def turned_away(pod: objects.Pod, holding: Collection[str]) -> str:
    """Why a pod bound to the node can't come now; empty: it can. Memory alone keeps only BestEffort pods away."""
    if not holding or is_critical(pod):
        return ""
    if set(holding) == {"MemoryPressure"} and pod_resources.qos_class(pod.spec) != "BestEffort":
        return ""
    return f"The node had condition: [{' '.join(sorted(holding))}]. "
