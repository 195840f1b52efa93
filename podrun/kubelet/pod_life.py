"""The life of a pod: how what happens changes it, and what Kubernetes says about that. Pure.

What is to be done from where a pod stands is in pod_steps.py.
"""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import backoff, container_life, outcomes, resizing, volume_places
from podrun.kubelet.happenings import (
    Effect,
    Emit,
    Evicted,
    ForgetRun,
    Happening,
    ImageCame,
    ImageFailed,
    ImageReady,
    KillRun,
    LaunchRefused,
    LaunchRun,
    LeaveSandbox,
    MakeSandbox,
    PostStartReturned,
    PreStopReturned,
    ProbeVerdict,
    ReferenceChanged,
    ResizeJudged,
    ResizeWritten,
    Resumed,
    RunPostStart,
    RunPreStop,
    SandboxLeft,
    SandboxReady,
    SandboxUnmade,
    ShimLost,
    ShimOutdated,
    SignalRun,
    Synced,
    VolumesFailed,
    VolumesReady,
)
from podrun.kubelet.lives import (
    ContainerLife,
    Disruption,
    PodLife,
    ResizeLife,
    SandboxLife,
    Stop,
    StopStage,
    VolumesLife,
)
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


def born(pod: objects.Pod, now: float) -> PodLife:
    """A pod that the kubelet sees for the first time."""
    names = [c.name for c in objects.every_container(pod.spec)]
    containers = {name: ContainerLife() for name in names}
    return PodLife(started_at=now, containers=containers, allocated=resizing.wished(pod.spec))


def rejected(life: PodLife, reason: str, message: str) -> tuple[PodLife, Effect]:
    """A pod that this node does not allow (rejectPod)."""
    shown = f"Pod was rejected: {message}"
    return replace(life, final="Failed", reason=reason, message=shown, rejected=True), Emit("Warning", reason, message)


def with_newcomers(pod: objects.Pod, life: PodLife) -> PodLife:
    """The life with the ephemeral containers that were added to the pod since."""
    new = {c.name: ContainerLife() for c in pod.spec.ephemeral_containers if c.name not in life.containers}
    return replace(life, containers={**life.containers, **new}) if new else life


# ---- what happened ---------------------------------------------------------------------------------------------------


def observe(
    pod: objects.Pod, life: PodLife, event: Happening, now: float, termination_message: str = ""
) -> tuple[PodLife, tuple[Effect, ...]]:
    """The life after `event`, and what Kubernetes says about it. `termination_message` belongs to an exit."""
    match event:
        case Numbered(n, fact):
            if n <= life.applied:
                return life, ()
            return _observe_fact(pod, replace(life, applied=n), fact, termination_message)
        case ProbeVerdict() | PostStartReturned() | PreStopReturned():
            return _observe_run(pod, life, event, now)
        case ImageReady(container) | ImageFailed(container) | LaunchRefused(container):
            return _observe_container(life, container, event, now)
        case ShimOutdated(name):
            return _shim_outdated(life, name, event), ()
        case ImageCame(names):
            return _image_came(pod, life, names), ()
        case VolumesReady():
            return replace(life, volumes=VolumesLife("ready")), ()
        case VolumesFailed(message):
            return _volumes_failed(life, message, now)
        case SandboxReady() | SandboxUnmade() | SandboxLeft() | ShimLost():
            return _observe_sandbox(pod, life, event, now)
        case Resumed(connected):
            return _resumed(life, connected), ()
        case ReferenceChanged():
            return _hurried(life), ()
        case Evicted(message):
            return _evicted(life, message)
        case ResizeJudged():
            return _resize_judged(pod, life, event)
        case ResizeWritten():
            return _resize_written(pod, life, event, now)
        case Synced():
            return life, ()


def _observe_fact(
    pod: objects.Pod, life: PodLife, fact: Fact, termination_message: str
) -> tuple[PodLife, tuple[Effect, ...]]:
    match fact:
        case Started(name):
            before = life.containers[name]
            after = container_life.started(before, fact, spec_of(pod, name))
            if after is before:
                return life, ()
            hook = () if after.post_start else (RunPostStart(name, fact.attempt),)
            begun = Emit("Normal", "Started", f"Started container {name}", name)
            return with_container(life, name, after), (_created(name), begun, *hook)
        case StartFailed(name):
            before = life.containers[name]
            after = container_life.start_failed(before, fact)
            if after is before or after.run is None:
                return life, ()
            error = Emit("Warning", "Failed", f"Error: {after.run.message}", name)
            after = _not_started(pod, name, after, "RunContainerError", after.run.message)
            return with_container(life, name, after), (_created(name), error, ForgetRun(name, fact.attempt))
        case Exited(name):
            before = life.containers[name]
            after = container_life.exited(before, fact, termination_message)
            forget = () if after is before else (ForgetRun(name, fact.attempt),)
            if before.hook_error:
                after = _not_started(pod, name, after, "PostStartHookError", before.hook_error)
            if after is not before and life.sandbox.state == "broken" and runs_in_next_sandbox(pod, name):
                after = replace(after, rerun=True)  # also when nobody has decided anything between the two ends
            return with_container(life, name, after), forget
        case SandboxEnded(attempt):
            if life.sandbox.attempt != attempt:
                return life, ()
            return replace(life, sandbox=_sandbox_ended(life.sandbox)), ()
        case SandboxStarted() | SandboxFailed():
            return life, ()  # the one who asked is told; what follows comes as SandboxReady or SandboxUnmade


def runs_in_next_sandbox(pod: objects.Pod, name: str) -> bool:
    """Who ends only because its sandbox did runs again in the next one, also when it ends well (computePodActions)."""
    return objects.effective_restart_policy(pod.spec, spec_of(pod, name)) != "Never"


def _not_started(pod: objects.Pod, name: str, container: ContainerLife, reason: str, message: str) -> ContainerLife:
    """A run that failed to start waits for the next try, if there is one, and says why (kubelet's reason cache)."""
    init = any(c.name == name for c in pod.spec.init_containers)
    if outcomes.ended_for_good(pod.spec, spec_of(pod, name), container, init=init):
        return container
    return replace(container, reason=reason, message=message)


def _observe_container(
    life: PodLife, name: str, event: ImageReady | ImageFailed | LaunchRefused, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    before = life.containers[name]
    match event:
        case ImageReady():
            return with_container(life, name, container_life.image_ready(before, event)), ()
        case ImageFailed():
            after = container_life.image_failed(before, event, now)
        case LaunchRefused() if life.sandbox.state != "ready":
            return with_container(life, name, container_life.launch_came_too_late(before, event)), ()
        case LaunchRefused():
            after = container_life.launch_refused(before, event, now)
    return with_container(life, name, after), (Emit("Warning", "Failed", f"Error: {_event_detail(event)}", name),)


def _image_came(pod: objects.Pod, life: PodLife, names: tuple[str, ...]) -> PodLife:
    """Containers that wait for it look again now. With policy Always only the registry counts."""
    for spec in (*pod.spec.init_containers, *pod.spec.containers):
        container = life.containers[spec.name]
        if spec.image_pull_policy != "Always" and container_life.lacks_image(container, names):
            life = with_container(life, spec.name, replace(container, not_before=0.0))
    return life


def _observe_run(
    pod: objects.Pod, life: PodLife, event: ProbeVerdict | PostStartReturned | PreStopReturned, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    """What probes and hooks found out about a run; about an earlier one it means nothing any more."""
    name = event.container
    container = life.containers[name]
    if container.state != "running" or container.attempt != event.attempt:
        return life, ()
    match event:
        case PreStopReturned(failure=failure):
            if container.stop is not None:
                container = replace(container, stop=replace(container.stop, hook_done=True))
            emitted = (Emit("Warning", "FailedPreStopHook", "PreStopHook failed", name),) if failure else ()
            return with_container(life, name, container), emitted
        case PostStartReturned(failure=failure):
            if not failure:
                return with_container(life, name, replace(container, post_start=True)), ()
            after = replace(stopped(container, now, grace_of(pod)), hook_error=failure)
            events = (
                Emit("Warning", "FailedPostStartHook", "PostStartHook failed", name),
                Emit("Normal", "Killing", "FailedPostStartHook", name),
            )
            return with_container(life, name, after), events
        case ProbeVerdict(kind="readiness", success=success):
            return with_container(life, name, replace(container, ready=success)), ()
        case ProbeVerdict(kind="startup", success=True):
            return with_container(life, name, replace(container, startup=True)), ()
        case ProbeVerdict(success=False):
            return _failed_probe(pod, life, event, now)
        case ProbeVerdict():
            return life, ()


def _failed_probe(
    pod: objects.Pod, life: PodLife, event: ProbeVerdict, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    """A failed liveness or startup probe ends the run; unless the policy is Never, another follows."""
    name = event.container
    container, spec = life.containers[name], spec_of(pod, name)
    if container.stop is not None:
        return life, ()
    probe = spec.liveness_probe if event.kind == "liveness" else spec.startup_probe
    own_grace = probe.termination_grace_period_seconds if probe else None
    again = objects.effective_restart_policy(pod.spec, spec) != "Never"
    after = stopped(container, now, grace_of(pod) if own_grace is None else float(own_grace))
    text = f"Container {name} failed {event.kind} probe" + (", will be restarted" if again else "")
    return with_container(life, name, replace(after, rerun=again)), (Emit("Normal", "Killing", text, name),)


def stopped(container: ContainerLife, now: float, grace: float) -> ContainerLife:
    """A running container that is asked to end; one that is ending already goes on with that."""
    return container if container.stop is not None else replace(container, stop=Stop(now, grace, entered_at=now))


def grace_of(pod: objects.Pod) -> float:
    """Seconds between the beginning of the end and SIGKILL."""
    asked = pod.metadata.deletion_grace_period_seconds
    if asked is None:
        asked = pod.spec.termination_grace_period_seconds
    return float(30 if asked is None else max(asked, 0))


def spec_of(pod: objects.Pod, name: str) -> objects.Container:
    return next(c for c in objects.every_container(pod.spec) if c.name == name)


def _event_detail(event: ImageFailed | LaunchRefused) -> str:
    return event.reason if isinstance(event, ImageFailed) else event.message


def _hurried(life: PodLife) -> PodLife:
    """What waits for another object does not wait for its time."""
    containers = {name: container_life.hurried(container) for name, container in life.containers.items()}
    volumes = replace(life.volumes, not_before=0.0) if life.volumes.state == "waiting" else life.volumes
    return replace(life, containers=containers, volumes=volumes)


def _volumes_failed(life: PodLife, message: str, now: float) -> tuple[PodLife, tuple[Effect, ...]]:
    failures = life.volumes.failures + 1
    volumes = VolumesLife("waiting", now + backoff.retry_delay(life.volumes.failures), failures)
    return replace(life, volumes=volumes), (Emit("Warning", "FailedMount", message),)


def _observe_sandbox(
    pod: objects.Pod, life: PodLife, event: SandboxReady | SandboxUnmade | SandboxLeft | ShimLost, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    sandbox = life.sandbox
    match event:
        case SandboxReady(attempt, addresses):
            if (sandbox.state, sandbox.attempt) != ("making", attempt):
                return life, ()
            return replace(life, sandbox=SandboxLife("broken" if sandbox.ended else "ready", attempt, addresses)), ()
        case SandboxUnmade(attempt, message):
            if (sandbox.state, sandbox.attempt) != ("making", attempt):
                return life, ()
            failures = sandbox.failures + 1
            retry = now + backoff.retry_delay(sandbox.failures, initial=1.0)
            absent = SandboxLife("absent", attempt + 1, not_before=retry, failures=failures)
            emitted = Emit("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {message}")
            return replace(life, sandbox=absent, volumes=_volumes_without_sandbox(pod, life)), (emitted,)
        case SandboxLeft():
            if sandbox.state != "leaving":
                return life, ()
            absent = SandboxLife("absent", sandbox.attempt + 1)
            return replace(life, sandbox=absent, volumes=_volumes_without_sandbox(pod, life)), ()
        case ShimLost():
            return _shim_lost(life, now)


def _sandbox_ended(sandbox: SandboxLife) -> SandboxLife:
    """Whoever makes it has yet to say how that went: where it failed, pause was killed because of that."""
    if sandbox.state == "making":
        return replace(sandbox, ended=True)
    return replace(sandbox, state="broken") if sandbox.state == "ready" else sandbox


def _volumes_without_sandbox(pod: objects.Pod, life: PodLife) -> VolumesLife:
    """What podrun writes went with the shim's memory: whether it can be had again is to be seen before the next one."""
    is_gone = any(map(volume_places.is_written, pod.spec.volumes)) and life.volumes.state == "ready"
    return VolumesLife() if is_gone else life.volumes


def _shim_outdated(life: PodLife, name: str, event: ShimOutdated) -> PodLife:
    """Another sandbox, with a shim of this version, takes the place of this one."""
    life = with_container(life, name, container_life.launch_came_too_late(life.containers[name], event))
    return replace(life, sandbox=replace(life.sandbox, state="broken")) if life.sandbox.state == "ready" else life


def _shim_lost(life: PodLife, now: float) -> tuple[PodLife, tuple[Effect, ...]]:
    """The witness is gone and its pod was killed: runs without a recorded end have ended as unknown."""
    containers = {name: container_life.lost(c, now) for name, c in life.containers.items()}
    ended = (name for name, c in containers.items() if c is not life.containers[name] and c.run is not None)
    forget = tuple(ForgetRun(name, run.attempt) for name in ended if (run := containers[name].run))
    return replace(life, containers=containers, sandbox=_sandbox_ended(life.sandbox)), forget


def _resumed(life: PodLife, connected: bool) -> PodLife:
    """What was on its way when the last kubelet died is asked for again; a shim answers repeats from its journal."""
    containers = {name: container_life.forgotten_pull(c) for name, c in life.containers.items()}
    volumes = VolumesLife() if life.volumes.state != "ready" else life.volumes
    sandbox = life.sandbox
    if sandbox.state == "making" and not connected:
        # The next attempt, for the journal may tell of a pause of this one that died with its shim.
        sandbox = replace(sandbox, state="absent", attempt=sandbox.attempt + 1, ended=False)
    return replace(
        life,
        containers=containers,
        volumes=volumes,
        sandbox=sandbox,
        removing=False,
        resize=replace(life.resize, writing=False),
    )


def _evicted(life: PodLife, message: str) -> tuple[PodLife, tuple[Effect, ...]]:
    if life.final or life.removing:
        return life, ()
    disruption = Disruption("TerminationByKubelet", message)
    after = replace(life, final="Failed", reason="Evicted", message=message, disruption=disruption)
    return after, (Emit("Warning", "Evicted", message),)


def _resize_judged(pod: objects.Pod, life: PodLife, event: ResizeJudged) -> tuple[PodLife, tuple[Effect, ...]]:
    if event.wish != resizing.wished(pod.spec) or not resizing.wants_verdict(pod, life):
        return life, ()  # the wish has changed meanwhile
    resize = life.resize
    if event.reason:
        if (resize.pending, resize.message, resize.generation) == (event.reason, event.message, event.generation):
            return life, ()
        pending = replace(resize, pending=event.reason, message=event.message, generation=event.generation)
        text = f"Pod resize {event.reason}: {resizing.summary(pod, event.generation, event.message)}"
        return replace(life, resize=pending), (Emit("Warning", f"Resize{event.reason}", text),)
    text = f"Pod resize started: {resizing.summary(pod, event.generation)}"
    agreed = ResizeLife(generation=event.generation, in_progress=True, writing=resize.writing)
    return replace(life, allocated=event.wish, resize=agreed), (Emit("Normal", "ResizeStarted", text),)


def _resize_written(
    pod: objects.Pod, life: PodLife, event: ResizeWritten, now: float
) -> tuple[PodLife, tuple[Effect, ...]]:
    resize = replace(life.resize, writing=False)
    if event.error:
        text = f"Pod resize error: {resizing.summary(pod, resize.generation, event.error)}"
        emitted = () if resize.error else (Emit("Warning", "ResizeError", text),)
        failed = replace(resize, error=event.error, not_before=now + resizing.RETRY)
        return replace(life, resize=failed), emitted
    for name, amounts in event.amounts.items():
        container = life.containers[name]
        if container.state == "running" and event.runs.get(name) == container.id:
            life = with_container(life, name, replace(container, actuated=amounts))
    return replace(life, resize=replace(resize, written=event.amounts, error="", not_before=0.0)), ()


def has_made(life: PodLife, attempt: int) -> bool:
    """Whether this sandbox was made: nothing is launched in it before that is written down, for whoever finds a life
    without a sandbox makes one, with other addresses, and runs the init containers once more."""
    return life.sandbox.attempt >= attempt and life.sandbox.state not in ("absent", "making")


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
        elif container.state == "running" and container.stop is None and not container.post_start:
            effects.append(RunPostStart(name, container.attempt))
        elif container.state == "running" and container.stop is not None:
            effects += filter(None, [stage_effect(name, container.attempt, container.stop.stage)])
    return tuple(effects)


def stage_effect(name: str, attempt: int, stage: StopStage) -> Effect | None:
    """What is done when a run that is asked to end enters a stage."""
    match stage:
        case "hook":
            return RunPreStop(name, attempt)
        case "signal":
            return SignalRun(name, attempt)
        case "kill":
            return KillRun(name, attempt)
        case _:
            return None


def with_container(life: PodLife, name: str, container: ContainerLife) -> PodLife:
    if life.containers.get(name) is container:
        return life
    return replace(life, containers={**life.containers, name: container})


def _created(name: str) -> Emit:
    return Emit("Normal", "Created", f"Created container: {name}", name)
