"""What Kubernetes shows of a pod's life: phase, conditions and container statuses. Pure.

Rules: pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podrun.api import objects, times
from podrun.kubelet import container_life, pod_life, resources
from podrun.kubelet.lives import ContainerLife, PodLife, Run

RUNTIME = "podrun"


@dataclass(frozen=True, slots=True)
class Host:
    """What every pod's status says of the node."""

    name: str
    addresses: tuple[str, ...]


def pod_status(pod: objects.Pod, life: PodLife, host: Host, now: float) -> objects.PodStatus:
    """The whole status; `pod.status` is the one before, whose transition times are kept where nothing changed."""
    init = tuple(_container_status(pod, c, life, init=True) for c in pod.spec.init_containers)
    regular = tuple(_container_status(pod, c, life, init=False) for c in pod.spec.containers)
    phase = life.final or _phase(pod, life)
    addresses = host.addresses if pod.spec.host_network else life.sandbox.addresses
    return objects.PodStatus(
        observed_generation=pod.metadata.generation,
        phase=phase,
        conditions=_conditions(pod, life, phase, now),
        reason=life.reason,
        message=life.message,
        host_ip=host.addresses[0] if host.addresses else "",
        host_ips=tuple(objects.HostIP(ip=a) for a in host.addresses),
        pod_ip=addresses[0] if addresses else "",
        pod_ips=tuple(objects.PodIP(ip=a) for a in addresses),
        start_time=times.rfc3339(life.started_at),
        init_container_statuses=init,
        container_statuses=tuple(sorted(regular, key=lambda status: status.name)),
        qos_class=resources.qos_class(pod.spec),
    )


# ---- containers ------------------------------------------------------------------------------------------------------


def _container_status(
    pod: objects.Pod, spec: objects.Container, life: PodLife, *, init: bool
) -> objects.ContainerStatus:
    container = life.containers[spec.name]
    running = container.state == "running"
    state, last = _states(pod, container, life)
    finished = init and state.terminated is not None and state.terminated.exit_code == 0
    return objects.ContainerStatus(
        name=spec.name,
        state=state,
        last_state=last,
        ready=(running and not init) or finished,
        restart_count=restart_count(container),
        image=spec.image,
        image_id=container.image_id,
        container_id=f"{RUNTIME}://{container.id}" if container.id else "",
        started=running,
        allocated_resources=spec.resources.requests,
        resources=spec.resources,
        volume_mounts=tuple(_mount_status(m) for m in spec.volume_mounts),
        user=_user(container) if running else None,
    )


def restart_count(container: ContainerLife) -> int:
    """Runs before the newest one. One that is only on its way does not count yet."""
    if container.state == "running":
        return container.attempt
    newest = container.run or container.last
    return newest.attempt if newest else 0


def _states(
    pod: objects.Pod, container: ContainerLife, life: PodLife
) -> tuple[objects.ContainerState, objects.ContainerState]:
    """`state` and `lastState`."""
    if container.state == "running":
        started = objects.ContainerStateRunning(started_at=times.rfc3339(container.started_at))
        return objects.ContainerState(running=started), _ended(container.last)
    if container.run is not None and not container.reason:
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
    recursive = (mount.recursive_read_only or "Disabled") if mount.read_only else None
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
    """Of a pod that has not ended for good."""
    if any(not pod_life.succeeded(life.containers[c.name]) for c in pod.spec.init_containers) and not life.initialized:
        return "Pending"
    regular = [(life.containers[c.name], objects.effective_restart_policy(pod.spec, c)) for c in pod.spec.containers]
    if any(not container.has_run for container, _ in regular):
        return "Pending"
    if any(container.state == "running" for container, _ in regular):
        return "Running"
    if any(_comes_back(container, policy) for container, policy in regular):
        return "Running"
    return "Succeeded" if all(c.run and c.run.code == 0 for c, _ in regular) else "Failed"


def _comes_back(container: ContainerLife, policy: str) -> bool:
    newest = container.run or container.last
    return newest is not None and container_life.should_restart(policy, newest)


# ---- conditions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Verdict:
    type: str
    true: bool
    reason: str = ""
    message: str = ""


def _conditions(pod: objects.Pod, life: PodLife, phase: str, now: float) -> tuple[objects.PodCondition, ...]:
    before = {condition.type: condition for condition in pod.status.conditions}
    verdicts = (
        _Verdict("PodReadyToStartContainers", life.sandbox.state == "ready"),
        _initialized(pod, life, phase),
        _readiness("Ready", pod, life, phase),
        _readiness("ContainersReady", pod, life, phase),
        _Verdict("PodScheduled", True),
    )
    return tuple(_condition(verdict, before.get(verdict.type), pod.metadata.generation, now) for verdict in verdicts)


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
    incomplete = [c.name for c in pod.spec.init_containers if not pod_life.succeeded(life.containers[c.name])]
    if life.initialized or not incomplete:
        return _Verdict("Initialized", True)
    return _Verdict("Initialized", False, "ContainersNotInitialized", _names("incomplete", incomplete))


def _readiness(type: str, pod: objects.Pod, life: PodLife, phase: str) -> _Verdict:
    if phase in ("Succeeded", "Failed"):
        return _Verdict(type, False, f"Pod{'Completed' if phase == 'Succeeded' else 'Failed'}")
    unready = [c.name for c in pod.spec.containers if life.containers[c.name].state != "running"]
    if unready:
        return _Verdict(type, False, "ContainersNotReady", _names("unready", unready))
    return _Verdict(type, True)


def _names(what: str, names: Iterable[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"
