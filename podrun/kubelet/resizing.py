"""Resources of a pod that change while it runs (KEP-1287): wished, allocated by the kubelet, written to groups. Pure.

`spec` says what is wished, `PodLife.allocated` what the kubelet has agreed to, `ContainerLife.actuated` what a running
container has. Rules: pkg/kubelet/allocation (allocation_manager.go), pkg/kubelet/kuberuntime (doPodResizeAction).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from cgroups import limits as formulas
from cgroups.limits import Limits
from podrun.api import objects, pod_resources
from podrun.api.objects import ResourceRequirements
from podrun.kubelet import resources, scheduler
from podrun.kubelet.lives import PodLife
from podrun.kubelet.resources import Node
from podrun.kubelet.scheduler import Claim, Refusal

RETRY = 10.0  # seconds until a resize that could not be written is tried again

Amounts = dict[str, ResourceRequirements]
"""By the container's name."""


def wished(spec: objects.PodSpec) -> Amounts:
    """What a resize can change: containers and sidecars."""
    sidecars = (each for each in spec.init_containers if objects.is_sidecar(each))
    return {each.name: each.resources for each in (*sidecars, *spec.containers)}


def allocated(spec: objects.PodSpec, life: PodLife) -> Amounts:
    return wished(spec) | life.allocated


def with_amounts(pod: objects.Pod, amounts: Mapping[str, ResourceRequirements]) -> objects.Pod:
    """The pod as if it had asked for these."""

    def given(containers: tuple[objects.Container, ...]) -> tuple[objects.Container, ...]:
        return tuple(replace(each, resources=amounts.get(each.name, each.resources)) for each in containers)

    spec = pod.spec
    return replace(
        pod, spec=replace(spec, containers=given(spec.containers), init_containers=given(spec.init_containers))
    )


def wants_verdict(pod: objects.Pod, life: PodLife) -> bool:
    """Whether somebody must say if there is room for what the pod wishes now."""
    if life.final or life.removing or pod.metadata.deletion_timestamp is not None:
        return False
    return wished(pod.spec) != allocated(pod.spec, life)


def verdict(pod: objects.Pod, node: objects.Node, others: Collection[Claim]) -> Refusal | None:
    """Why the wish can't be met now (Deferred) or ever (Infeasible); None: it is agreed to."""
    wanted = scheduler.claim(pod)
    for name in ("memory", "cpu"):
        capacity = pod_resources.amount(node.status.allocatable, name)
        if wanted.requests[name] > capacity:
            text = f"{name}, requested: {wanted.requests[name]}, capacity: {capacity}"
            return Refusal("Infeasible", f"Node didn't have enough capacity: {text}")
    for short in scheduler.shortages(wanted, node, others):
        if short.name in pod_resources.COUNTED:
            return Refusal("Deferred", scheduler.shortage_message(short))
    return None


# ---- carrying out ----------------------------------------------------------------------------------------------------


def needs_restart(container: objects.Container, before: ResourceRequirements, after: ResourceRequirements) -> bool:
    """Whether the container's resizePolicy takes a restart for one of the changes."""
    policies = {each.resource_name: each.restart_policy for each in container.resize_policy}
    return any(
        policies.get(name) == "RestartContainer" and _said(before, name) != _said(after, name)
        for name in pod_resources.COUNTED
    )


def _said(amounts: ResourceRequirements, name: str) -> tuple[int, int]:
    return pod_resources.amount(amounts.requests, name), pod_resources.amount(amounts.limits, name)


def next_amounts(pod: objects.Pod, life: PodLife) -> Amounts:
    """What groups shall have now: what is allocated, save of containers that must be restarted for it first."""
    amounts = allocated(pod.spec, life)
    for spec in (*pod.spec.init_containers, *pod.spec.containers):
        container = life.containers[spec.name]
        has = container.actuated if container.alive else None
        if has is not None and spec.name in amounts and needs_restart(spec, has, amounts[spec.name]):
            amounts[spec.name] = has
    return amounts


def current_amounts(pod: objects.Pod, life: PodLife) -> Amounts:
    """What the groups have now, as far as that is known: running containers', else what is allocated."""
    amounts = allocated(pod.spec, life)
    for name in amounts:
        container = life.containers[name]
        if container.alive and container.actuated is not None:
            amounts[name] = container.actuated
    return amounts


@dataclass(frozen=True, slots=True)
class Write:
    """Limits for one group: the pod's own, or the container's of this name."""

    container: str | None
    limits: Limits


def runs(life: PodLife) -> dict[str, str]:
    """The containers that have a group to write to: their ids by name."""
    return {name: each.id for name, each in life.containers.items() if each.state == "running"}


def writes(pod: objects.Pod, before: Amounts, after: Amounts, running: Collection[str], node: Node) -> list[Write]:
    """The pod's group grows first and shrinks last, containers that shrink come before those that grow."""
    old = resources.pod_limits(with_amounts(pod, before).spec, node)
    new = resources.pod_limits(with_amounts(pod, after).spec, node)
    changed = [name for name in after if name in running and before.get(name) != after[name]]
    steps = [(name, resources.container_limits(after[name], node)) for name in changed]
    steps.sort(key=lambda step: _grows(resources.container_limits(before[step[0]], node), step[1]))
    return [Write(None, formulas.loosest(old, new)), *(Write(*step) for step in steps), Write(None, new)]


def _grows(before: Limits, after: Limits) -> bool:
    return formulas.loosest(before, after) == after


def memory_in_the_way(write: Write, usage: int) -> str:
    """Why a memory limit can't be written over what is in use (bytes); empty: it can."""
    limit = write.limits.memory_max
    if not isinstance(limit, int) or usage <= limit:
        return ""
    what = "pod memory limit" if write.container is None else f'container "{write.container}" memory limit'
    return f"attempting to set {what} ({limit}) below current usage ({usage})"


# ---- what is said about it -------------------------------------------------------------------------------------------


def summary(pod: objects.Pod, generation: int, error: str = "") -> str:
    """The JSON that the kubelet's events about resizes carry."""
    containers = [
        {
            "name": each.name,
            "resources": {
                kind: amounts
                for kind, amounts in (("limits", each.resources.limits), ("requests", each.resources.requests))
                if amounts
            },
        }
        for each in pod.spec.containers
    ]
    told = {"containers": containers, "generation": generation} | ({"error": error} if error else {})
    return json.dumps(told, separators=(",", ":"))
