"""The life of one container: how what happened changes it, and whether and when it runs again. Pure.

Rules: Kubernetes' pod lifecycle page ("Container restarts"), pkg/kubelet/kuberuntime (doBackOff), pkg/kubelet/images.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from podrun.api import objects
from podrun.image import references
from podrun.kubelet import backoff
from podrun.kubelet.happenings import ImageFailed, ImageReady, LaunchRefused, ShimOutdated
from podrun.kubelet.lives import ContainerLife, ContainerState, Run
from podrun.shim.facts import Exited, Started, StartFailed

START_ERROR_CODE = 128  # containerd's exit code for a process that could not be started
CONFIG_RETRY = 10.0  # seconds until a container whose image or plan can't be had is tried again


PULL_FAILURES = ("ErrImagePull", "RegistryUnavailable")
CRASH_LOOP = "CrashLoopBackOff"
START_FAILURES = ("RunContainerError", "PostStartHookError")
ERROR_SHOWN = 1.0  # seconds for which the error of a pull or a start is shown, before the back-off is


def pulling(life: ContainerLife, spec: objects.Container) -> ContainerLife:
    return replace(life, state="pulling", pull_image=spec.image)


def of_image(life: ContainerLife, spec: objects.Container) -> ContainerLife:
    """What is known of another image than the one that is now asked for means nothing."""
    if life.pull_image in ("", spec.image) or life.state == "pulling" or life.alive:
        return life
    forgotten = replace(life, pull_image="", pull_backoff=None, image_checked=False, not_before=0.0)
    return forgotten if life.run is not None else replace(forgotten, reason="", message="")


def launching(life: ContainerLife, spec: objects.Container, now: float) -> ContainerLife:
    """The next run is on its way. A run that has ended lends its back-off: each restart lengthens it.

    A changed image is another container to the kubelet: its back-off starts afresh.
    """
    changed = bool(life.image) and life.image != spec.image
    ready = replace(life, state="launching", image_checked=False, rerun=False, image=spec.image)
    if life.run is None:
        return ready
    longer = backoff.lengthened(None if changed else life.backoff, life.run.finished_at, now)
    return replace(ready, attempt=life.run.attempt + 1, backoff=longer)


def restart_at(life: ContainerLife, spec: objects.Container) -> float:
    """When a container whose run has ended may run again (seconds since the epoch)."""
    if life.run is None:
        return life.not_before
    if life.image and life.image != spec.image:
        return life.run.finished_at
    return backoff.allowed_at(life.backoff, life.run.finished_at)


def crash_looping(life: ContainerLife, container: str, pod: str) -> ContainerLife:
    """Waiting for its next run, as shown to the user; `pod` is NAME_NAMESPACE(UID)."""
    delay = life.backoff.delay if life.backoff else backoff.INITIAL
    message = f"back-off {_duration(delay)} restarting failed container={container} pod={pod}"
    return replace(life, reason=CRASH_LOOP, message=message)


def lacks_image(life: ContainerLife, names: Collection[str]) -> bool:
    """Whether it waits because it could not have the image of one of these full references."""
    reasons = (*PULL_FAILURES, "ImagePullBackOff", "ErrImageNeverPull")
    if life.state != "waiting" or life.reason not in reasons or not life.pull_image:
        return False
    try:
        return str(references.parse(life.pull_image)) in names
    except references.InvalidImageName:
        return False


def image_ready(life: ContainerLife, event: ImageReady) -> ContainerLife:
    if life.state != "pulling":
        return life
    is_kept = life.reason in (CRASH_LOOP, *START_FAILURES)  # until a start succeeds, as in the kubelet's reason cache
    return replace(
        life,
        state=_resting(life),
        image_id=event.image_id,
        image_shown=event.shown,
        image_origin=event.origin,
        image_checked=True,
        reason=life.reason if is_kept else "",
        message=life.message if is_kept else "",
        not_before=0.0,
        pull_backoff=None,
    )


def image_failed(life: ContainerLife, event: ImageFailed, now: float) -> ContainerLife:
    """The pull is tried again after 10 s, 20 s, ... 300 s; policy Never and a bad name are looked at again as well."""
    if life.state != "pulling":
        return life
    if event.reason not in PULL_FAILURES:
        again = now + CONFIG_RETRY
        return replace(life, state="waiting", reason=event.reason, message=event.message, not_before=again)
    longer = backoff.lengthened(life.pull_backoff, now, now)
    return replace(
        life,
        state="waiting",
        reason=event.reason,
        message=event.message,
        pull_backoff=longer,
        not_before=now + longer.delay,
    )


def launch_refused(life: ContainerLife, event: LaunchRefused, now: float) -> ContainerLife:
    """The attempt was not used up: the same one is tried again."""
    if life.state != "launching" or life.attempt != event.attempt:
        return life
    return replace(life, state="waiting", reason=event.reason, message=event.message, not_before=now + CONFIG_RETRY)


def hurried(life: ContainerLife) -> ContainerLife:
    """Tried again at once, if it waits for something that it refers to."""
    is_waiting = life.state == "waiting" and life.reason == "CreateContainerConfigError"
    return replace(life, not_before=0.0) if is_waiting else life


def launch_came_too_late(life: ContainerLife, event: LaunchRefused | ShimOutdated) -> ContainerLife:
    """Its sandbox had ended: nothing is wrong with the container, and it starts as soon as there is another one.

    So it goes when pause dies in a shared PID namespace, as the kernel ends everybody else there first.
    """
    if life.state != "launching" or life.attempt != event.attempt:
        return life
    return replace(life, state="waiting", image_checked=True)  # its back-off has been waited for


def started(life: ContainerLife, fact: Started, spec: objects.Container) -> ContainerLife:
    """Running; whether it is up and ready is for hook and probes to say, where it has them."""
    if fact.attempt < life.attempt or (fact.attempt == life.attempt and life.state in ("running", "ended")):
        return life
    lifecycle = spec.lifecycle
    return replace(
        _next_run(life, fact.attempt),
        state="running",
        id=fact.id,
        started_at=fact.at,
        uid=fact.uid,
        gid=fact.gid,
        groups=fact.groups,
        ready=spec.readiness_probe is None,
        startup=spec.startup_probe is None,
        post_start=lifecycle is None or lifecycle.post_start is None,
    )


def start_failed(life: ContainerLife, fact: StartFailed) -> ContainerLife:
    """A run that never was: it counts as one that ended with StartError, as under containerd."""
    if fact.attempt < life.attempt or (fact.attempt == life.attempt and life.state in ("running", "ended")):
        return life
    message = f"{fact.step}: {fact.message}" if fact.step else fact.message
    run = Run(fact.attempt, fact.id, START_ERROR_CODE, 0, "StartError", message, 0.0, fact.at)
    return replace(_next_run(life, fact.attempt), state="ended", id=fact.id, run=run)


def exited(life: ContainerLife, fact: Exited, termination_message: str) -> ContainerLife:
    """The end of a run. One that ended before the kubelet heard of its start is taken as well."""
    if fact.attempt < life.attempt or (fact.attempt == life.attempt and life.state == "ended"):
        return life
    begun = life.started_at if life.state == "running" and fact.attempt == life.attempt else fact.at
    run = Run(
        attempt=fact.attempt,
        id=fact.id,
        code=fact.code,
        signal=0,
        reason=_exit_reason(fact),
        message=LOST_MESSAGE if fact.lost else termination_message,
        started_at=begun,
        finished_at=fact.at,
    )
    return replace(_next_run(life, fact.attempt), state="ended", id=fact.id, run=run, started_at=begun, stop=None)


LOST_MESSAGE = "The container could not be located when the pod was terminated"


def lost(life: ContainerLife, now: float) -> ContainerLife:
    """The run's parent died, so nobody knows how the run ended. One on its way may have begun: it counts as run."""
    if not life.alive:
        return life
    fact = Exited("", life.attempt, life.id, 137, 0, oom_killed=False, at=now, lost=True)
    return exited(life, fact, "")


def forgotten_pull(life: ContainerLife) -> ContainerLife:
    """The pull ended with the kubelet that asked for it."""
    return replace(life, state=_resting(life), image_checked=False) if life.state == "pulling" else life


def _next_run(life: ContainerLife, attempt: int) -> ContainerLife:
    """Move on to `attempt`: what was the newest run becomes the one before it."""
    shifted = replace(life, attempt=attempt, reason="", message="", not_before=0.0, hook_error="")
    if life.run is not None and life.run.attempt < attempt:
        # It may have been launched by a kubelet that could not write that down: what was to lead to it has done so.
        return replace(shifted, last=life.run, run=None, stop=None, rerun=False, image_checked=False)
    return shifted


def _resting(life: ContainerLife) -> ContainerState:
    """Ended, unless the run that comes next was on its way already: it still comes, its back-off is over."""
    return "ended" if life.run is not None and life.run.attempt == life.attempt else "waiting"


def _exit_reason(fact: Exited) -> str:
    if fact.lost:
        return "ContainerStatusUnknown"
    if fact.oom_killed:
        return "OOMKilled"
    return "Completed" if fact.code == 0 else "Error"


def _duration(seconds: float) -> str:
    """As Go prints a time.Duration of whole seconds: 10s, 1m20s, 5m0s."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"
