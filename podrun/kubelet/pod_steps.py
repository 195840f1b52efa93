"""What to do from where a pod stands. Pure: looks at the state alone, never at the event that led there.

So an effect that was lost with a kubelet is simply decided again. Nothing waits here: `Decision.wake_at` says when to
look again.

Rules: pkg/kubelet/kuberuntime (computePodActions, computeInitContainerActions, killContainersWithSyncResult).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import backoff, container_life, outcomes, pod_life, probe_life, resizing, stopping
from podrun.kubelet.happenings import (
    AbandonImage,
    Effect,
    Emit,
    EnsureImage,
    LaunchRun,
    LeaveSandbox,
    MakeSandbox,
    PrepareVolumes,
    RemovePod,
    WriteResources,
)
from podrun.kubelet.lives import ContainerLife, PodLife
from podrun.kubelet.pod_life import grace_of, runs_in_next_sandbox, with_container
from podrun.kubelet.probe_life import Result, Wanted

EVICTION_GRACE = 1.0  # seconds, as the kubelet gives a pod over a hard threshold
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class Decision:
    life: PodLife
    effects: tuple[Effect, ...]
    wake_at: float | None  # seconds since the epoch


@dataclass(slots=True)
class _Turn:
    """One look at a pod: the life as it changes, and what has been decided so far."""

    pod: objects.Pod
    life: PodLife
    now: float
    effects: list[Effect] = field(default_factory=list)
    wake_at: float | None = None

    def wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def set(self, name: str, container: ContainerLife) -> None:
        self.life = with_container(self.life, name, container)

    @property
    def alive(self) -> list[str]:
        return [name for name, c in self.life.containers.items() if c.alive]


def decide(pod: objects.Pod, life: PodLife, now: float) -> Decision:
    """What follows from where the pod stands."""
    turn = _Turn(pod, pod_life.with_newcomers(pod, life), now)
    if life.removing:
        return Decision(turn.life, (), None)
    if is_deleted(pod):
        _wind_down(turn)
        _remove_when_gone(turn)
    elif life.final or _is_overdue(turn):
        _wind_down(turn)
    elif life.sandbox.state == "broken":
        _replace_sandbox(turn)
    else:
        _bring_up(turn)
    _advance_stops(turn)
    return Decision(turn.life, tuple(turn.effects), turn.wake_at)


def is_deleted(pod: objects.Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


# ---- up --------------------------------------------------------------------------------------------------------------


def _bring_up(turn: _Turn) -> None:
    if _settle(turn):
        _wind_down(turn)
    elif turn.life.sandbox.state == "ready":
        _run_containers(turn)
    elif turn.life.sandbox.state == "absent" and _prepare_volumes(turn):
        _make_sandbox(turn)


def _prepare_volumes(turn: _Turn) -> bool:
    """Whether the volumes are there; starts making them where not."""
    volumes = turn.life.volumes
    if volumes.state in ("absent", "waiting"):
        if backoff.is_due(volumes.not_before, turn.now):
            turn.life = replace(turn.life, volumes=replace(volumes, state="preparing"))
            turn.effects.append(PrepareVolumes())
        else:
            turn.wake(volumes.not_before)
    return turn.life.volumes.state == "ready"


def _make_sandbox(turn: _Turn) -> None:
    sandbox = turn.life.sandbox
    if not backoff.is_due(sandbox.not_before, turn.now):
        turn.wake(sandbox.not_before)
        return
    turn.life = replace(turn.life, sandbox=replace(sandbox, state="making"), initialized=False)
    turn.life = _init_containers_anew(turn)
    turn.effects.append(MakeSandbox(sandbox.attempt))


def _init_containers_anew(turn: _Turn) -> PodLife:
    """A new sandbox runs its init containers again, the finished ones too."""
    life = turn.life
    for spec in outcomes.plain_init(turn.pod.spec):
        container = life.containers[spec.name]
        if container.run is not None and container.run.code == 0:
            life = with_container(life, spec.name, replace(container, rerun=True, backoff=None))
    return life


def _run_containers(turn: _Turn) -> None:
    for added in turn.pod.spec.ephemeral_containers:  # first, and whatever becomes of the others
        _advance(turn, added, init=False)
    if not turn.life.initialized:
        if not _initialize(turn):
            return
        turn.life = replace(turn.life, initialized=True)
    for spec in outcomes.sidecars(turn.pod.spec):
        _advance(turn, spec, init=True)
    for spec in turn.pod.spec.containers:
        _advance(turn, spec, init=False)
        if _holds_the_next_back(spec, turn.life.containers[spec.name]):
            break
    _resize(turn)


def _resize(turn: _Turn) -> None:
    """Write what was agreed to, until every group has it; a container that must be restarted for it comes later."""
    resize = turn.life.resize
    if not resize.in_progress or resize.writing:
        return
    if _is_starting_with_old_amounts(turn):
        return
    if not backoff.is_due(resize.not_before, turn.now):
        turn.wake(resize.not_before)
        return
    amounts = resizing.next_amounts(turn.pod, turn.life)
    if resize.written != amounts:
        turn.life = replace(turn.life, resize=replace(resize, writing=True))
        turn.effects.append(WriteResources(resizing.current_amounts(turn.pod, turn.life), amounts))
    elif amounts == resizing.allocated(turn.pod.spec, turn.life):
        turn.life = replace(turn.life, resize=replace(resize, in_progress=False, written={}))
        text = f"Pod resize completed: {resizing.summary(turn.pod, resize.generation)}"
        turn.effects.append(Emit("Normal", "ResizeCompleted", text))


def _is_starting_with_old_amounts(turn: _Turn) -> bool:
    """Whether a container is just being started with amounts from before: its group can be written when it has."""
    agreed = resizing.allocated(turn.pod.spec, turn.life)
    return any(
        container.state == "launching" and name in agreed and container.actuated != agreed[name]
        for name, container in turn.life.containers.items()
    )


def _holds_the_next_back(spec: objects.Container, container: ContainerLife) -> bool:
    """A container with a postStart hook is started and its hook has returned before the next one starts."""
    if spec.lifecycle is None or spec.lifecycle.post_start is None:
        return False
    is_up = container.state == "running" and (container.post_start or container.stop is not None)
    return container.state in ("pulling", "launching", "running") and not is_up


def _initialize(turn: _Turn) -> bool:
    """Init containers one after another: a plain one to its end, a sidecar until it is up. Whether all are through."""
    for spec in turn.pod.spec.init_containers:
        if objects.is_sidecar(spec):
            _advance(turn, spec, init=True)
            if not turn.life.containers[spec.name].started:
                return False
        elif not outcomes.succeeded(turn.life.containers[spec.name]):
            _advance(turn, spec, init=True)
            return False
    return True


def _advance(turn: _Turn, spec: objects.Container, *, init: bool) -> None:
    """Bring one container one step nearer to running, if it should run."""
    container = container_life.of_image(turn.life.containers[spec.name], spec)
    turn.set(spec.name, container)
    match container.state:
        case "waiting":
            due = container.not_before
        case "ended" if not outcomes.ended_for_good(turn.pod.spec, spec, container, init=init):
            due = max(container_life.restart_at(container, spec), container.not_before)
        case "running":
            _replace_changed(turn, spec, container)
            _restart_for_resize(turn, spec, turn.life.containers[spec.name])
            return
        case _:
            return
    if not backoff.is_due(due, turn.now):
        turn.wake(due)
        _show_back_off(turn, spec, container)
    elif not container.image_checked:
        turn.set(spec.name, container_life.pulling(container, spec))
        turn.effects.append(EnsureImage(spec.name))
    else:
        launched = container_life.launching(container, spec, turn.now)
        amounts = resizing.allocated(turn.pod.spec, turn.life).get(spec.name, spec.resources)
        launched = replace(launched, actuated=amounts)
        turn.set(spec.name, launched)
        turn.effects.append(LaunchRun(spec.name, launched.attempt))


def _replace_changed(turn: _Turn, spec: objects.Container, container: ContainerLife) -> None:
    """A running container whose image was changed ends and runs again with the new one, whatever the policy."""
    if container.image and container.image != spec.image and container.stop is None:
        stopped = pod_life.stopped(container, turn.now, grace_of(turn.pod))
        turn.set(spec.name, replace(stopped, rerun=True))
        text = f"Container {spec.name} definition changed, will be restarted"
        turn.effects.append(Emit("Normal", "Killing", text, spec.name))


def _restart_for_resize(turn: _Turn, spec: objects.Container, container: ContainerLife) -> None:
    """A running container whose resizePolicy says so takes its new resources with a restart."""
    wanted = resizing.allocated(turn.pod.spec, turn.life).get(spec.name)
    if wanted is None or container.actuated is None or container.stop is not None:
        return
    if resizing.needs_restart(spec, container.actuated, wanted):
        stopped = pod_life.stopped(container, turn.now, grace_of(turn.pod))
        turn.set(spec.name, replace(stopped, rerun=True))
        text = f"Container {spec.name} resize requires restart"
        turn.effects.append(Emit("Normal", "Killing", text, spec.name))


def _show_back_off(turn: _Turn, spec: objects.Container, container: ContainerLife) -> None:
    """Say once for each wait why it waits."""
    meta = turn.pod.metadata
    if container.state == "ended" and container.reason != container_life.CRASH_LOOP:
        shown_until = (container.run.finished_at if container.run else 0.0) + container_life.ERROR_SHOWN
        if container.reason and not backoff.is_due(shown_until, turn.now):
            turn.wake(shown_until)
            return
        where = f"{meta.name}_{meta.namespace}({meta.uid})"
        turn.set(spec.name, container_life.crash_looping(container, spec.name, where))
        text = f"Back-off restarting failed container {spec.name} in pod {where}"
        turn.effects.append(Emit("Warning", "BackOff", text, spec.name))
    elif container.reason in container_life.PULL_FAILURES and container.pull_backoff is not None:
        shown_until = container.pull_backoff.updated_at + container_life.ERROR_SHOWN
        if not backoff.is_due(shown_until, turn.now):
            turn.wake(shown_until)
            return
        shown = f'Back-off pulling image "{spec.image}"'
        after = replace(
            container, reason="ImagePullBackOff", message=f"{shown}: {container.reason}: {container.message}"
        )
        turn.set(spec.name, after)
        turn.effects.append(Emit("Normal", "BackOff", shown, spec.name))
        turn.effects.append(Emit("Warning", "Failed", "Error: ImagePullBackOff", spec.name))


# ---- down ------------------------------------------------------------------------------------------------------------


def _settle(turn: _Turn) -> bool:
    """Whether the pod has ended for good: nothing that counts runs, and nothing will. Sets the final phase."""
    final = turn.life.final or outcomes.outcome(turn.pod.spec, turn.life)
    if final:
        turn.life = replace(turn.life, final=final)
    return bool(final)


def _is_overdue(turn: _Turn) -> bool:
    """activeDeadlineSeconds counts from the pod's start; a pod that is over it has failed."""
    limit = turn.pod.spec.active_deadline_seconds
    if limit is None:
        return False
    due = turn.life.started_at + limit
    if turn.now < due:
        turn.wake(due)
        return False
    turn.life = replace(turn.life, final="Failed", reason="DeadlineExceeded", message=DEADLINE_MESSAGE)
    turn.effects.append(Emit("Normal", "DeadlineExceeded", DEADLINE_MESSAGE))
    return True


def _replace_sandbox(turn: _Turn) -> None:
    """Pause or shim is gone: end what still runs, take the rest away, and start anew if anything is to run."""
    if alive := turn.alive:
        _stop(turn, alive)
        _rerun_what_stops(turn)
        return
    if turn.pod.spec.restart_policy == "Never":
        for name, container in turn.life.containers.items():
            turn.set(name, replace(container, rerun=False))  # not even a changed image brings a second sandbox
        turn.life = replace(turn.life, final=outcomes.outcome_of_lost_sandbox(turn.pod.spec, turn.life))
    if not _settle(turn):
        text = "Pod sandbox changed, it will be killed and re-created."
        turn.effects.append(Emit("Normal", "SandboxChanged", text))
    _leave(turn)


def _rerun_what_stops(turn: _Turn) -> None:
    for spec in (*turn.pod.spec.init_containers, *turn.pod.spec.containers):
        container = turn.life.containers[spec.name]
        if container.state == "running" and runs_in_next_sandbox(turn.pod, spec.name):
            turn.set(spec.name, replace(container, rerun=True))


def _wind_down(turn: _Turn) -> None:
    """Stop what runs, then take the sandbox away."""
    for name, container in turn.life.containers.items():
        if container.state == "pulling":
            turn.set(name, container_life.forgotten_pull(container))
            turn.effects.append(AbandonImage(name))
    if alive := turn.alive:
        _stop(turn, alive)
    elif turn.life.sandbox.state in ("ready", "broken"):
        _leave(turn)


def _leave(turn: _Turn) -> None:
    turn.life = replace(turn.life, sandbox=replace(turn.life.sandbox, state="leaving"))
    turn.effects.append(LeaveSandbox())


def _stop(turn: _Turn, names: Iterable[str]) -> None:
    """Ask all to end. One on its way is asked once it has started, which is a fact soon."""
    for name in names:
        container = turn.life.containers[name]
        if container.state == "running" and container.stop is None:
            evicted = turn.life.disruption is not None and not is_deleted(turn.pod)
            turn.set(name, pod_life.stopped(container, turn.now, EVICTION_GRACE if evicted else grace_of(turn.pod)))
            turn.effects.append(Emit("Normal", "Killing", f"Stopping container {name}", name))


def _advance_stops(turn: _Turn) -> None:
    """Every run that was asked to end goes through its stages. A pod's own end may shorten a grace period."""
    for name, container in turn.life.containers.items():
        if container.state != "running" or container.stop is None:
            continue
        spec = pod_life.spec_of(turn.pod, name)
        grace = grace_of(turn.pod) if is_deleted(turn.pod) else container.stop.grace
        stop, entered = stopping.advanced(
            container.stop,
            turn.now,
            grace,
            has_hook=spec.lifecycle is not None and spec.lifecycle.pre_stop is not None,
            is_its_turn=_is_its_turn(turn, spec),
        )
        for stage in entered:
            turn.effects += filter(None, [pod_life.stage_effect(name, container.attempt, stage)])
        if stop.stage != "kill":
            turn.wake(stopping.deadline(stop))
        turn.set(name, replace(container, stop=stop))


def _is_its_turn(turn: _Turn, spec: objects.Container) -> bool:
    """A sidecar of a pod that ends or loses its sandbox waits for the regular containers and later sidecars."""
    all_end = is_deleted(turn.pod) or turn.life.final or turn.life.sandbox.state == "broken"
    if not objects.is_sidecar(spec) or not all_end:
        return True
    init = turn.pod.spec.init_containers
    later = init[init.index(spec) + 1 :]
    return not any(turn.life.containers[c.name].alive for c in (*later, *turn.pod.spec.containers))


def _remove_when_gone(turn: _Turn) -> None:
    """A deleted pod is removed when nothing of it is left but data; what it ended as is recorded first."""
    if turn.alive or turn.life.sandbox.state != "absent" or turn.life.volumes.state == "preparing":
        return
    final = turn.life.final or outcomes.outcome_of_runs(turn.pod.spec, turn.life)
    turn.life = replace(turn.life, removing=True, final=final)
    turn.effects.append(RemovePod())


# ---- probes ----------------------------------------------------------------------------------------------------------


def probes_wanted(pod: objects.Pod, life: PodLife, host_address: str) -> tuple[Wanted, ...]:
    """The probes that should be going: none before the postStart hook has returned, as the container does not count as
    running yet. A run that is asked to end is not asked how it does, but readiness goes on."""
    address = address_of(pod, life, host_address)
    wanted = []
    for spec in (*outcomes.sidecars(pod.spec), *pod.spec.containers):
        container = life.containers[spec.name]
        if container.state != "running" or not container.post_start:
            continue
        ending = is_deleted(pod) or container.stop is not None
        for kind in probe_life.wanted(spec, started=container.startup, deleting=ending):
            known: Result | None = "success" if kind == "readiness" and container.ready else None
            wanted.append(Wanted(spec, container.attempt, kind, container.started_at, address, known))
    return tuple(wanted)


def address_of(pod: objects.Pod, life: PodLife, host_address: str) -> str:
    """Where the pod's servers are reached."""
    return host_address if pod.spec.host_network else next(iter(life.sandbox.addresses), "")
