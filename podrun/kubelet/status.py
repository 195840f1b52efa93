"""What Kubernetes shows of a pod's life: phase, conditions and container statuses. Pure.

Rules: pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from podrun.api import objects, pod_resources, times
from podrun.kubelet import mount_plan, outcomes
from podrun.kubelet.lives import ContainerLife, PodLife, Run

RUNTIME = "podrun"
DISRUPTION_TARGET = "DisruptionTarget"
OWN_CONDITIONS = frozenset(
    (
        *(DISRUPTION_TARGET, "PodResizePending", "PodResizeInProgress"),
        *("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"),
    )
)


@dataclass(frozen=True, slots=True)
class Host:
    """What every pod's status says of the node."""

    name: str
    addresses: tuple[str, ...]


def pod_status(pod: objects.Pod, life: PodLife, host: Host, now: float) -> objects.PodStatus:
    """The whole status; `pod.status` is the one before, whose transition times are kept where nothing changed."""
    shown = not life.rejected  # of a pod that was turned away, Kubernetes says nothing of containers
    init = tuple(_container_status(pod, c, life, init=True) for c in pod.spec.init_containers if shown)
    regular = tuple(_container_status(pod, c, life, init=False) for c in pod.spec.containers if shown)
    ephemeral = tuple(_ephemeral_status(pod, c, life) for c in pod.spec.ephemeral_containers if shown)
    phase = _phase(pod, life)
    addresses = host.addresses if pod.spec.host_network else _addresses(pod, life)
    return objects.PodStatus(
        observed_generation=pod.metadata.generation,
        phase=phase,
        conditions=_conditions(pod, life, life.final or phase, now),
        reason=life.reason if life.ended else "",
        message=life.message if life.ended else "",
        host_ip=host.addresses[0] if host.addresses else "",
        host_ips=tuple(objects.HostIP(ip=a) for a in host.addresses),
        pod_ip=addresses[0] if addresses else "",
        pod_ips=tuple(objects.PodIP(ip=a) for a in addresses),
        start_time=times.rfc3339(life.started_at),
        init_container_statuses=init,
        container_statuses=tuple(sorted(regular, key=lambda status: status.name)),
        ephemeral_container_statuses=ephemeral,
        qos_class=pod_resources.qos_class(pod.spec),
    )


def _addresses(pod: objects.Pod, life: PodLife) -> tuple[str, ...]:
    """A pod whose sandbox is gone still shows what it was reached by (pkg/kubelet/pleg, getPodIPs)."""
    return life.sandbox.addresses or tuple(shown.ip for shown in pod.status.pod_ips)


def with_conditions_of_others(shown: objects.PodStatus, current: objects.PodStatus) -> objects.PodStatus:
    """`shown`, with the conditions that others have set meanwhile in `current`."""
    own = [c for c in shown.conditions if c.type in OWN_CONDITIONS]
    if not any(c.type == DISRUPTION_TARGET for c in own):  # whoever deletes the pod may have set it, too
        own += [c for c in current.conditions if c.type == DISRUPTION_TARGET]
    return replace(shown, conditions=(*conditions_of_others(current), *own))


def conditions_of_others(status: objects.PodStatus) -> tuple[objects.PodCondition, ...]:
    return tuple(c for c in status.conditions if c.type not in OWN_CONDITIONS)


# ---- containers ------------------------------------------------------------------------------------------------------


def _container_status(
    pod: objects.Pod, spec: objects.Container, life: PodLife, *, init: bool
) -> objects.ContainerStatus:
    container = life.containers[spec.name]
    is_over = bool(life.final) or pod.metadata.deletion_timestamp is not None
    state, last = _states(pod, container, is_over=is_over)
    plain = init and not objects.is_sidecar(spec)
    finished = plain and state.terminated is not None and state.terminated.exit_code == 0
    return objects.ContainerStatus(
        name=spec.name,
        state=state,
        last_state=last,
        ready=finished or (not plain and container.started and container.ready),
        restart_count=restart_count(container),
        image=(container.image_shown if container.has_run else "") or spec.image,
        image_id=(container.image_origin or container.image_id) if container.has_run else "",
        container_id=f"{RUNTIME}://{container.id}" if container.id else "",
        started=container.started,
        allocated_resources=life.allocated.get(spec.name, spec.resources).requests,
        resources=_resources(spec, container, life),
        volume_mounts=tuple(_mount_status(m) for m in spec.volume_mounts),
        user=_user(container) if container.state == "running" else None,
    )


def _resources(spec: objects.Container, container: ContainerLife, life: PodLife) -> objects.ResourceRequirements:
    """What the run has; without one, what the next one gets."""
    if container.state == "running" and container.actuated is not None:
        return container.actuated
    return life.allocated.get(spec.name, spec.resources)


def _ephemeral_status(pod: objects.Pod, spec: objects.Container, life: PodLife) -> objects.ContainerStatus:
    """One that was added to a running pod is never ready, and nobody waits for its start."""
    return replace(_container_status(pod, spec, life, init=False), ready=False, started=None)


def restart_count(container: ContainerLife) -> int:
    """Runs before the newest one. One that is only on its way does not count yet."""
    if container.state == "running":
        return container.attempt
    newest = container.run or container.last
    return newest.attempt if newest else 0


def _states(
    pod: objects.Pod, container: ContainerLife, *, is_over: bool
) -> tuple[objects.ContainerState, objects.ContainerState]:
    """`state` and `lastState`. A container counts as running when its postStart hook has returned.

    In a pod that is over nothing waits for its next run any more (kubecontainer.ShouldContainerBeRestarted).
    """
    if container.state == "running" and container.post_start:
        started = objects.ContainerStateRunning(started_at=times.rfc3339(container.started_at))
        return objects.ContainerState(running=started), _ended(container.last)
    if container.run is not None and (is_over or not container.reason):
        return _ended(container.run), _ended(container.last)
    ordinary = "PodInitializing" if pod.spec.init_containers else "ContainerCreating"
    waiting = objects.ContainerStateWaiting(reason=container.reason or ordinary, message=container.message)
    return objects.ContainerState(waiting=waiting), _ended(container.run or container.last)


def _ended(run: Run | None) -> objects.ContainerState:
    if run is None:
        return objects.ContainerState()
    terminated = objects.ContainerStateTerminated(
        exit_code=run.code,
        signal=run.signal,
        reason=run.reason,
        message=run.message,
        started_at=times.rfc3339(run.started_at),
        finished_at=times.rfc3339(run.finished_at),
        container_id=f"{RUNTIME}://{run.id}" if run.id else "",
    )
    return objects.ContainerState(terminated=terminated)


def _mount_status(mount: objects.VolumeMount) -> objects.VolumeMountStatus:
    enabled = "Enabled" if mount_plan.is_recursively_read_only(mount) else "Disabled"
    recursive = enabled if mount.read_only else None
    return objects.VolumeMountStatus(
        name=mount.name, mount_path=mount.mount_path, read_only=mount.read_only, recursive_read_only=recursive
    )


def _user(container: ContainerLife) -> objects.ContainerUser:
    linux = objects.LinuxContainerUser(
        uid=container.uid, gid=container.gid, supplemental_groups=tuple(sorted({container.gid, *container.groups}))
    )
    return objects.ContainerUser(linux=linux)


# ---- phase -----------------------------------------------------------------------------------------------------------


def _phase(pod: objects.Pod, life: PodLife) -> str:
    """One that ends for good is shown so when its last container has ended (mergePodStatus in pkg/kubelet/status)."""
    if life.ended:
        return life.final
    regular = [(spec, life.containers[spec.name]) for spec in pod.spec.containers]
    plain = [life.containers[c.name] for c in outcomes.plain_init(pod.spec)]
    if not life.initialized and not all(map(outcomes.succeeded, plain)):
        return "Pending"
    if _waits_for_sidecars(pod, life) or any(_was_never_up(container) for _, container in regular):
        return "Pending"
    if any(container.state == "running" for _, container in regular):
        return "Running"
    if life.final or not all(outcomes.ended_for_good(pod.spec, spec, c, init=False) for spec, c in regular):
        return "Running"
    return outcomes.outcome_of_runs(pod.spec, life)


def _was_never_up(container: ContainerLife) -> bool:
    """Its first run is not there yet, or waits for its postStart hook."""
    return not container.has_run or (container.run is container.last is None and not container.post_start)


def _waits_for_sidecars(pod: objects.Pod, life: PodLife) -> bool:
    """Before any regular container has run, a sidecar that is not up yet holds the pod back."""
    if any(life.containers[c.name].has_run for c in pod.spec.containers):
        return False
    known = (life.containers[c.name] for c in outcomes.sidecars(pod.spec))
    return any(not c.has_run or (c.state == "running" and not c.started) for c in known)


# ---- conditions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Verdict:
    type: str
    true: bool
    reason: str = ""
    message: str = ""


def _conditions(pod: objects.Pod, life: PodLife, phase: str, now: float) -> tuple[objects.PodCondition, ...]:
    """Those of others first, as they are; then the kubelet's own."""
    before = {condition.type: condition for condition in pod.status.conditions}
    containers_ready = _containers_ready(pod, life, phase)
    verdicts = (
        _Verdict("PodReadyToStartContainers", life.sandbox.state == "ready"),
        _initialized(pod, life, phase),
        _ready(pod, containers_ready, before),
        containers_ready,
        _Verdict("PodScheduled", True),
    )
    generation = pod.metadata.generation
    own = tuple(_condition(verdict, before.get(verdict.type), generation, now) for verdict in verdicts)
    resizes = tuple(
        _condition(verdict, before.get(verdict.type), life.resize.generation, now) for verdict in _resize_verdicts(life)
    )
    disrupted = _disruption(pod, life, before.get(DISRUPTION_TARGET), now)
    return (*conditions_of_others(pod.status), *disrupted, *resizes, *own)


def _disruption(
    pod: objects.Pod, life: PodLife, before: objects.PodCondition | None, now: float
) -> tuple[objects.PodCondition, ...]:
    """Of our own making, or as somebody else has set it."""
    if life.disruption is None:
        return () if before is None else (before,)
    verdict = _Verdict(DISRUPTION_TARGET, True, life.disruption.reason, life.disruption.message)
    return (_condition(verdict, before, pod.metadata.generation, now),)


def _resize_verdicts(life: PodLife) -> Iterator[_Verdict]:
    resize = life.resize
    if resize.pending and not life.final:
        yield _Verdict("PodResizePending", True, resize.pending, resize.message)
    if resize.in_progress and not life.final:
        yield _Verdict("PodResizeInProgress", True, "Error" if resize.error else "", resize.error)


def _condition(
    verdict: _Verdict, before: objects.PodCondition | None, generation: int, now: float
) -> objects.PodCondition:
    status = "True" if verdict.true else "False"
    kept = before.last_transition_time if before is not None and before.status == status else None
    return objects.PodCondition(
        type=verdict.type,
        observed_generation=generation,
        status=status,
        last_transition_time=kept or times.rfc3339(now),
        reason=verdict.reason,
        message=verdict.message,
    )


def _initialized(pod: objects.Pod, life: PodLife, phase: str) -> _Verdict:
    if phase == "Succeeded":
        return _Verdict("Initialized", True, "PodCompleted")
    incomplete = [c.name for c in pod.spec.init_containers if not _is_through(c, life.containers[c.name])]
    has_run = any(life.containers[c.name].has_run for c in pod.spec.containers)
    if life.initialized or has_run or not incomplete:
        return _Verdict("Initialized", True)
    return _Verdict("Initialized", False, "ContainersNotInitialized", _names("incomplete", incomplete))


def _is_through(spec: objects.Container, container: ContainerLife) -> bool:
    return container.started if objects.is_sidecar(spec) else outcomes.succeeded(container)


def _containers_ready(pod: objects.Pod, life: PodLife, phase: str) -> _Verdict:
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return _Verdict("ContainersReady", False, reason)
    counted = (*outcomes.sidecars(pod.spec), *pod.spec.containers)
    unready = [c.name for c in counted if not (life.containers[c.name].started and life.containers[c.name].ready)]
    if unready:
        return _Verdict("ContainersReady", False, "ContainersNotReady", _names("unready", unready))
    return _Verdict("ContainersReady", True)


def _ready(pod: objects.Pod, containers: _Verdict, conditions: Mapping[str, objects.PodCondition]) -> _Verdict:
    """All containers, and all readiness gates: conditions that somebody else sets."""
    if not containers.true:
        return _Verdict("Ready", False, containers.reason, containers.message)
    closed = []
    for gate in (g.condition_type for g in pod.spec.readiness_gates):
        condition = conditions.get(gate)
        if condition is None:
            closed.append(f'corresponding condition of pod readiness gate "{gate}" does not exist.')
        elif condition.status != "True":
            closed.append(f'the status of pod readiness gate "{gate}" is not "True", but {condition.status}')
    if closed:
        return _Verdict("Ready", False, "ReadinessGatesNotReady", ", ".join(closed))
    return _Verdict("Ready", True)


def _names(what: str, names: Iterable[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"
