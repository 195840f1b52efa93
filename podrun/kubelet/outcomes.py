"""Whether containers, and the pod with them, have ended for good. Pure.

Rules: pkg/kubelet/kubelet_pods.go (getPhase), KEP-753 (sidecars never count), KEP-5307 (rules of a container).
"""

from __future__ import annotations

from podrun.api import objects
from podrun.kubelet.lives import ContainerLife, FinalPhase, PodLife


def restarts_after(spec: objects.PodSpec, container: objects.Container, code: int, *, init: bool) -> bool:
    """Whether a run that ended with `code` is followed by another: by the container's rules or policy, or the pod's."""
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if rule.action == "Restart" and codes is not None and (code in codes.values) == (codes.operator == "In"):
            return True
    policy = objects.effective_restart_policy(spec, container)
    if policy == "Always":
        return not init or objects.is_sidecar(container) or code != 0
    return policy == "OnFailure" and code != 0


def plain_init(spec: objects.PodSpec) -> tuple[objects.Container, ...]:
    return tuple(c for c in spec.init_containers if not objects.is_sidecar(c))


def sidecars(spec: objects.PodSpec) -> tuple[objects.Container, ...]:
    return tuple(c for c in spec.init_containers if objects.is_sidecar(c))


def succeeded(container: ContainerLife) -> bool:
    """Of an init container: done, and not to be done again in a new sandbox."""
    return container.state == "ended" and container.run is not None and container.run.code == 0 and not container.rerun


def ended_for_good(spec: objects.PodSpec, container: objects.Container, life: ContainerLife, *, init: bool) -> bool:
    if life.state != "ended" or life.run is None or life.rerun:
        return False
    return not restarts_after(spec, container, life.run.code, init=init)


def outcome(spec: objects.PodSpec, life: PodLife) -> FinalPhase:
    """Succeeded or Failed when nothing that counts runs or will run, else nothing. Sidecars do not count."""
    for container in plain_init(spec):
        known = life.containers[container.name]
        if ended_for_good(spec, container, known, init=True) and known.run and known.run.code != 0:
            return "Failed"
    if not all(ended_for_good(spec, c, life.containers[c.name], init=False) for c in spec.containers):
        return ""
    return outcome_of_runs(spec, life)


def outcome_of_lost_sandbox(spec: objects.PodSpec, life: PodLife) -> FinalPhase:
    """Of a pod with policy Never: it gets no other sandbox once anything has run in the first (computePodActions)."""
    runs = [
        (c, known.run, c in spec.init_containers)
        for c in (*plain_init(spec), *spec.containers)
        if (known := life.containers[c.name]).has_run
    ]
    ended = all(run is not None and not restarts_after(spec, c, run.code, init=init) for c, run, init in runs)
    return outcome_of_runs(spec, life) if runs and ended else ""


def outcome_of_runs(spec: objects.PodSpec, life: PodLife) -> FinalPhase:
    """What a pod that runs no more has ended as."""
    runs = [life.containers[c.name].run for c in spec.containers]
    return "Succeeded" if all(run is not None and run.code == 0 for run in runs) else "Failed"
