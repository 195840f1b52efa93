"""How long a pod may stay on a node with NoExecute taints. Pure.

Rules: pkg/controller/tainteviction (taint_eviction.go).
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.kubelet import node_match
from podrun.kubelet.status import DISRUPTION_TARGET

REASON = "DeletionByTaintManager"
MESSAGE = "Taint manager: deleting due to NoExecute taint"


def patience(pod: objects.Pod, taints: Collection[objects.Taint]) -> float | None:
    """Seconds that the pod may stay, from when it is first seen with these taints; None: for ever."""
    shortest: float | None = None
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        covering = [each for each in pod.spec.tolerations if node_match.tolerates((each,), taint)]
        if not covering:
            return 0.0
        for toleration in covering:
            if toleration.toleration_seconds is not None:
                seconds = max(float(toleration.toleration_seconds), 0.0)
                shortest = seconds if shortest is None else min(shortest, seconds)
    return shortest


def disrupted(pod: objects.Pod, now: float) -> objects.Pod:
    """The pod with the condition that says why it is deleted."""
    condition = objects.PodCondition(
        type=DISRUPTION_TARGET,
        observed_generation=pod.metadata.generation,
        status="True",
        last_transition_time=times.rfc3339(now),
        reason=REASON,
        message=MESSAGE,
    )
    others = tuple(each for each in pod.status.conditions if each.type != condition.type)
    return replace(pod, status=replace(pod.status, conditions=(*others, condition)))
