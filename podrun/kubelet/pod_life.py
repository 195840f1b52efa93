"""The life of a pod: `observe` says how what happened changes it, `decide` what to do from where it stands. Pure.

Deciding looks at the state alone, never at the event that led there, so an effect that was lost with a kubelet is
simply decided again. Nothing waits here: `Decision.wake_at` says when to look again. Probes, hooks and sidecars are
not here yet.

Rules: pkg/kubelet/kuberuntime (computePodActions, killContainersWithSyncResult), pod lifecycle page of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import backoff, container_life
from podrun.kubelet.happenings import (
    Effect,
    Emit,
    EnsureImage,
    ForgetRun,
    Happening,
    ImageFailed,
    ImageReady,
    KillRun,
    LaunchRefused,
    LaunchRun,
    LeaveSandbox,
    MakeSandbox,
    PrepareVolumes,
    RemovePod,
    Resumed,
    SandboxLeft,
    SandboxReady,
    SandboxUnmade,
    ShimLost,
    SignalRun,
    Synced,
    VolumesFailed,
    VolumesReady,
)
from podrun.kubelet.lives import ContainerLife, FinalPhase, PodLife, SandboxLife, VolumesLife
from podrun.shim.facts import (
    Exited,
    Fact,
    Numbered,
    SandboxEnded,
    SandboxFailed,
    SandboxStarted,
    Started,
    StartFailed,
)


@dataclass(frozen=True, slots=True)
class Decision:
    life: PodLife
    effects: tuple[Effect, ...]
    wake_at: float | None  # seconds since the epoch


def born(pod: objects.Pod, now: float) -> PodLife:
    """A pod that the kubelet sees for the first time."""
    names = [c.name for c in (*pod.spec.init_containers, *pod.spec.containers)]
    return PodLife(started_at=now, containers={name: ContainerLife() for name in names})


# ---- what happened ---------------------------------------------------------------------------------------------------


def observe(
    pod: objects.Pod, life: PodLife, event: Happening, now: float, termination_message: str = ""
) -> tuple[PodLife, tuple[Effect, ...]]:
    """The life after `event`, and what Kubernetes says about it. `termination_message` belongs to an exit."""
    match event:
        case Numbered(n, fact):
            if n <= life.applied:
                return life, ()
            return _observe_fact(replace(life, applied=n), fact, termination_message)
        case ImageReady(container) | ImageFailed(container) | LaunchRefused(container):
            return _observe_container(life, container, event, now)
        case VolumesReady():
            return replace(life, volumes=VolumesLife("ready")), ()
        case VolumesFailed(message):
            return _volumes_failed(life, message, now)
        case SandboxReady() | SandboxUnmade() | SandboxLeft() | ShimLost():
            return _observe_sandbox(life, event, now)
        case Resumed(connected):
            return _resumed(life, connected), ()
        case Synced():
            return life, ()


def _observe_fact(life: PodLife, fact: Fact, termination_message: str) -> tuple[PodLife, tuple[Effect, ...]]:
    match fact:
        case Started(name):
            before = life.containers.get(name, ContainerLife())
            after = container_life.started(before, fact)
            emitted = (
                ()
                if after is before
                else (_created(name), Emit("Normal", "Started", f"Started container {name}", name))
            )
            return with_container(life, name, after), emitted
        case StartFailed(name):
            before = life.containers.get(name, ContainerLife())
            after = container_life.start_failed(before, fact)
            if after is before or after.run is None:
                return life, ()
            error = Emit("Warning", "Failed", f"Error: {after.run.message}", name)
            return with_container(life, name, after), (_created(name), error, ForgetRun(name, fact.attempt))
        case Exited(name):
            before = life.containers.get(name, ContainerLife())
            after = container_life.exited(before, fact, termination_message)
            forget = () if after is before else (ForgetRun(name, fact.attempt),)
            return with_container(life, name, after), forget
        case SandboxEnded(attempt):
            if life.sandbox.state == "ready" and life.sandbox.attempt == attempt:
                return replace(life, sandbox=replace(life.sandbox, state="broken")), ()
            return life, ()
        case SandboxStarted() | SandboxFailed():
            return life, ()  # the one who asked is told; what follows comes as SandboxReady or SandboxUnmade


def _observe_container(
    life: PodLife, name: str, event: ImageReady | ImageFailed | LaunchRefused, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    before = life.containers[name]
    match event:
        case ImageReady():
            return with_container(life, name, container_life.image_ready(before, event)), ()
        case ImageFailed():
            after = container_life.image_failed(before, event, now)
        case LaunchRefused():
            after = container_life.launch_refused(before, event, now)
    return with_container(life, name, after), (Emit("Warning", "Failed", f"Error: {_event_detail(event)}", name),)


def _event_detail(event: ImageFailed | LaunchRefused) -> str:
    return event.reason if isinstance(event, ImageFailed) else event.message


def _volumes_failed(life: PodLife, message: str, now: float) -> tuple[PodLife, tuple[Effect, ...]]:
    failures = life.volumes.failures + 1
    volumes = VolumesLife("waiting", now + backoff.retry_delay(life.volumes.failures), failures)
    return replace(life, volumes=volumes), (Emit("Warning", "FailedMount", message),)


def _observe_sandbox(
    life: PodLife, event: SandboxReady | SandboxUnmade | SandboxLeft | ShimLost, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    sandbox = life.sandbox
    match event:
        case SandboxReady(attempt, addresses):
            if sandbox.state != "making":
                return life, ()
            return replace(life, sandbox=SandboxLife("ready", attempt, addresses)), ()
        case SandboxUnmade(attempt, message):
            failures = sandbox.failures + 1
            retry = now + backoff.retry_delay(sandbox.failures, initial=1.0)
            absent = SandboxLife("absent", attempt + 1, not_before=retry, failures=failures)
            emitted = Emit("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {message}")
            return replace(life, sandbox=absent), (emitted,)
        case SandboxLeft():
            return replace(life, sandbox=SandboxLife("absent", sandbox.attempt + 1)), ()
        case ShimLost():
            return _shim_lost(life, now)


def _shim_lost(life: PodLife, now: float) -> tuple[PodLife, tuple[Effect, ...]]:
    """The witness is gone and its pod was killed: runs without a recorded end have ended as unknown."""
    containers = {name: container_life.lost(c, now) for name, c in life.containers.items()}
    ended = (name for name, c in containers.items() if c is not life.containers[name] and c.run is not None)
    forget = tuple(ForgetRun(name, run.attempt) for name in ended if (run := containers[name].run))
    state = "broken" if life.sandbox.state in ("making", "ready", "broken") else life.sandbox.state
    return replace(life, containers=containers, sandbox=replace(life.sandbox, state=state)), forget


def _resumed(life: PodLife, connected: bool) -> PodLife:
    """What was on its way when the last kubelet died is asked for again; a shim answers repeats from its journal."""
    containers = {name: container_life.forgotten_pull(c) for name, c in life.containers.items()}
    volumes = VolumesLife() if life.volumes.state != "ready" else life.volumes
    sandbox = life.sandbox
    if sandbox.state == "making" and not connected:
        sandbox = replace(sandbox, state="absent")
    return replace(life, containers=containers, volumes=volumes, sandbox=sandbox, removing=False)


def unfinished(life: PodLife) -> tuple[Effect, ...]:
    """The effects that a new kubelet carries out once more, because nobody knows how far the last one came."""
    effects: list[Effect] = []
    if life.sandbox.state == "making":
        effects.append(MakeSandbox(life.sandbox.attempt))
    if life.sandbox.state == "leaving":
        effects.append(LeaveSandbox())
    for name, container in life.containers.items():
        if container.state == "launching":
            effects.append(LaunchRun(name, container.attempt))
        elif container.state == "running" and container.stop:
            kind = KillRun if container.stop.killed else SignalRun
            effects.append(kind(name, container.attempt))
    return tuple(effects)


# ---- what to do ------------------------------------------------------------------------------------------------------


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
    turn = _Turn(pod, life, now)
    if life.removing:
        return Decision(life, (), None)
    if is_deleted(pod):
        _wind_down(turn, grace_of(pod))
        _remove_when_gone(turn)
    elif life.final:
        _wind_down(turn, grace_of(pod))
    elif life.sandbox.state == "broken":
        _replace_sandbox(turn)
    else:
        _bring_up(turn)
    return Decision(turn.life, tuple(turn.effects), turn.wake_at)


def is_deleted(pod: objects.Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def grace_of(pod: objects.Pod) -> float:
    """Seconds between the stop signal and SIGKILL."""
    asked = pod.metadata.deletion_grace_period_seconds
    if asked is None:
        asked = pod.spec.termination_grace_period_seconds
    return float(30 if asked is None else asked)


def _bring_up(turn: _Turn) -> None:
    if _settle(turn):
        _wind_down(turn, 0.0)
        return
    if turn.life.sandbox.state == "ready":
        _run_containers(turn)
    elif turn.life.sandbox.state == "absent" and _prepare_volumes(turn):
        _make_sandbox(turn)


def _prepare_volumes(turn: _Turn) -> bool:
    """Whether the volumes are there; starts making them where not."""
    volumes = turn.life.volumes
    if volumes.state in ("absent", "waiting"):
        if turn.now >= volumes.not_before:
            turn.life = replace(turn.life, volumes=replace(volumes, state="preparing"))
            turn.effects.append(PrepareVolumes())
        else:
            turn.wake(volumes.not_before)
    return turn.life.volumes.state == "ready"


def _make_sandbox(turn: _Turn) -> None:
    sandbox = turn.life.sandbox
    if turn.now < sandbox.not_before:
        turn.wake(sandbox.not_before)
        return
    turn.life = replace(turn.life, sandbox=replace(sandbox, state="making"), initialized=False)
    turn.life = _init_containers_anew(turn)
    turn.effects.append(MakeSandbox(sandbox.attempt))


def _init_containers_anew(turn: _Turn) -> PodLife:
    """A new sandbox runs its init containers again, the finished ones too."""
    life = turn.life
    for spec in turn.pod.spec.init_containers:
        container = life.containers[spec.name]
        if container.run is not None and container.run.code == 0:
            life = with_container(life, spec.name, replace(container, rerun=True, backoff=None))
    return life


def _run_containers(turn: _Turn) -> None:
    if not turn.life.initialized and not _initialize(turn):
        return
    for spec in turn.pod.spec.containers:
        _advance(turn, spec, objects.effective_restart_policy(turn.pod.spec, spec))


def _initialize(turn: _Turn) -> bool:
    """Init containers one after another, each until it exits with 0. Whether all have."""
    policy = init_policy(turn.pod)
    for spec in turn.pod.spec.init_containers:
        container = turn.life.containers[spec.name]
        if succeeded(container):
            continue
        _advance(turn, spec, policy)
        return False
    turn.life = replace(turn.life, initialized=True)
    return True


def init_policy(pod: objects.Pod) -> str:
    """Always means OnFailure for an init container."""
    return "Never" if pod.spec.restart_policy == "Never" else "OnFailure"


def succeeded(container: ContainerLife) -> bool:
    return container.state == "ended" and container.run is not None and container.run.code == 0 and not container.rerun


def _advance(turn: _Turn, spec: objects.Container, policy: str) -> None:
    """Bring one container one step nearer to running, if it should run."""
    container = turn.life.containers[spec.name]
    match container.state:
        case "waiting":
            due = container.not_before
        case "ended" if container.run and (container.rerun or container_life.should_restart(policy, container.run)):
            due = max(container_life.restart_at(container), container.not_before)
        case _:
            return
    if turn.now < due:
        turn.wake(due)
        _show_back_off(turn, spec, container)
    elif not container.image_checked:
        turn.set(spec.name, container_life.pulling(container))
        turn.effects.append(EnsureImage(spec.name))
    else:
        launched = container_life.launching(container, turn.now)
        turn.set(spec.name, launched)
        turn.effects.append(LaunchRun(spec.name, launched.attempt))


def _show_back_off(turn: _Turn, spec: objects.Container, container: ContainerLife) -> None:
    """Say once for each wait why it waits."""
    meta = turn.pod.metadata
    if container.state == "ended" and not container.reason:
        where = f"{meta.name}_{meta.namespace}({meta.uid})"
        turn.set(spec.name, container_life.crash_looping(container, spec.name, where))
        text = f"Back-off restarting failed container {spec.name} in pod {where}"
        turn.effects.append(Emit("Warning", "BackOff", text, spec.name))
    elif container.reason == "ErrImagePull":
        shown = f'Back-off pulling image "{spec.image}"'
        after = replace(container, reason="ImagePullBackOff", message=f"{shown}: ErrImagePull: {container.message}")
        turn.set(spec.name, after)
        turn.effects.append(Emit("Normal", "BackOff", shown, spec.name))
        turn.effects.append(Emit("Warning", "Failed", "Error: ImagePullBackOff", spec.name))


def _settle(turn: _Turn) -> bool:
    """Whether the pod has ended for good: nothing runs and nothing will. Sets the final phase."""
    final = outcome(turn.pod, turn.life)
    if final:
        turn.life = replace(turn.life, final=final)
    return bool(final)


def outcome(pod: objects.Pod, life: PodLife) -> FinalPhase:
    """Succeeded or Failed when all has ended and nothing will be restarted, else nothing."""
    init = init_policy(pod)
    for spec in pod.spec.init_containers:
        container = life.containers[spec.name]
        if _ended_for_good(container, init) and container.run and container.run.code != 0:
            return "Failed"
    regular = [(life.containers[c.name], objects.effective_restart_policy(pod.spec, c)) for c in pod.spec.containers]
    if not all(_ended_for_good(container, policy) for container, policy in regular):
        return ""
    return "Succeeded" if all(c.run and c.run.code == 0 for c, _ in regular) else "Failed"


def _ended_for_good(container: ContainerLife, policy: str) -> bool:
    if container.state != "ended" or container.run is None or container.rerun:
        return False
    return not container_life.should_restart(policy, container.run)


def _replace_sandbox(turn: _Turn) -> None:
    """Pause or shim is gone: end what still runs, take the rest away, and start anew if anything is to run."""
    alive = turn.alive
    if alive:
        _stop(turn, alive, grace_of(turn.pod))
        return
    if not _settle(turn):
        text = "Pod sandbox changed, it will be killed and re-created."
        turn.effects.append(Emit("Normal", "SandboxChanged", text))
    _leave(turn)


def _wind_down(turn: _Turn, grace: float) -> None:
    """Stop what runs, then take the sandbox away."""
    if alive := turn.alive:
        _stop(turn, alive, grace)
    elif turn.life.sandbox.state in ("ready", "broken"):
        _leave(turn)


def _leave(turn: _Turn) -> None:
    turn.life = replace(turn.life, sandbox=replace(turn.life.sandbox, state="leaving"))
    turn.effects.append(LeaveSandbox())


def _stop(turn: _Turn, names: Iterable[str], grace: float) -> None:
    """The stop signal to each, SIGKILL when its grace period is over. A later, shorter grace period counts."""
    for name in names:
        container = turn.life.containers[name]
        if container.state != "running":
            continue  # on its way: its start is a fact soon, and then it is stopped
        if container.stop is None:
            container = container_life.stopping(container, turn.now, grace)
            turn.effects.append(Emit("Normal", "Killing", f"Stopping container {name}", name))
            turn.effects.append(SignalRun(name, container.attempt))
        stop = container.stop
        assert stop is not None
        if grace < stop.grace:
            stop = replace(stop, grace=grace)
        if not stop.killed and turn.now >= stop.deadline:
            stop = replace(stop, killed=True)
            turn.effects.append(KillRun(name, container.attempt))
        elif not stop.killed:
            turn.wake(stop.deadline)
        turn.set(name, replace(container, stop=stop))


def _remove_when_gone(turn: _Turn) -> None:
    """A deleted pod is removed when nothing of it is left but data; what it ended as is recorded first."""
    busy = turn.life.volumes.state == "preparing" or any(c.state == "pulling" for c in turn.life.containers.values())
    if turn.alive or turn.life.sandbox.state != "absent" or busy:
        return
    turn.life = replace(turn.life, removing=True, final=turn.life.final or _outcome_when_deleted(turn))
    turn.effects.append(RemovePod())


def _outcome_when_deleted(turn: _Turn) -> FinalPhase:
    lives = [turn.life.containers[c.name] for c in turn.pod.spec.containers]
    return "Succeeded" if all(c.run is not None and c.run.code == 0 for c in lives) else "Failed"


def with_container(life: PodLife, name: str, container: ContainerLife) -> PodLife:
    if life.containers.get(name) is container:
        return life
    return replace(life, containers={**life.containers, name: container})


def _created(name: str) -> Emit:
    return Emit("Normal", "Created", f"Created container: {name}", name)
