"""What the kubelet remembers of a pod between two events: kept beside the pod in the store, read again after a restart.

Data only. pod_life.py changes it, status.py turns it into what Kubernetes shows.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from podrun.api.objects import ResourceRequirements


class Run(msgspec.Struct, frozen=True):
    """One finished run of a container. Times are seconds since the epoch; `started_at` 0 where it never ran."""

    attempt: int
    id: str
    code: int
    signal: int
    reason: str
    message: str
    started_at: float
    finished_at: float


StopStage = Literal["asked", "hook", "turn", "signal", "kill"]


class Stop(msgspec.Struct, frozen=True):
    """A run that was asked to end: preStop hook, then its turn (sidecars come last), stop signal, SIGKILL.

    `grace` and `spent` are in seconds, `since` and `entered_at` (of the stage) since the epoch. `spent` are the whole
    seconds that hook and turn took of the grace period.
    """

    since: float
    grace: float
    stage: StopStage = "asked"
    entered_at: float = 0.0
    spent: int = 0
    hook_done: bool = False


class Backoff(msgspec.Struct, frozen=True):
    """Exponential back-off (client-go util/flowcontrol): the next wait, and when it was last lengthened."""

    delay: float
    updated_at: float


ContainerState = Literal["waiting", "pulling", "launching", "running", "ended"]


class ContainerLife(msgspec.Struct, frozen=True):
    """`attempt` is the run in question: the next one while waiting, the last one when ended. It is the restartCount."""

    state: ContainerState = "waiting"
    attempt: int = 0
    reason: str = (
        ""  # why it waits, in Kubernetes' words; empty for the ordinary reason. Set while ended: CrashLoopBackOff
    )
    message: str = ""
    not_before: float = 0.0  # no new try before this
    id: str = ""  # of the newest run, 64 hex digits
    started_at: float = 0.0
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    image_id: str = ""
    image_shown: str = ""  # its name in full
    image_origin: str = ""  # repository@digest, if it came from a registry
    image_checked: bool = False  # the image was found or pulled for the run that comes next
    rerun: bool = False  # runs again whatever its end says: a new sandbox, a failed probe, a changed image
    image: str = ""  # the reference that it was launched with
    ready: bool = False  # the readiness probe's result; true without one
    startup: bool = False  # the startup probe has succeeded; true without one
    post_start: bool = False  # the postStart hook has returned; true without one
    hook_error: str = ""  # why it failed, until the run that is stopped for it has ended
    run: Run | None = None  # the newest run, once it has ended
    last: Run | None = None  # the one before it
    stop: Stop | None = None
    actuated: ResourceRequirements | None = None  # what its groups have, or shall be made with
    backoff: Backoff | None = None
    pull_image: str = ""  # the reference that was last looked for
    pull_backoff: Backoff | None = None  # of that

    @property
    def alive(self) -> bool:
        """There is a process, or there may be one in a moment."""
        return self.state in ("launching", "running")

    @property
    def started(self) -> bool:
        """Up, as Kubernetes means it: what waits for this container may go on."""
        return self.state == "running" and self.startup and self.post_start

    @property
    def has_run(self) -> bool:
        return self.run is not None or self.last is not None or self.state == "running"


SandboxState = Literal["absent", "making", "ready", "broken", "leaving"]


class SandboxLife(msgspec.Struct, frozen=True):
    """The pause process and the pod's namespaces. `broken`: pause or the shim is gone, containers may be alive."""

    state: SandboxState = "absent"
    attempt: int = 0  # of this sandbox, or of the next one while absent
    addresses: tuple[str, ...] = ()
    not_before: float = 0.0
    failures: int = 0
    ended: bool = False  # pause or the shim died while it was being made, which may still fail for another reason


VolumesState = Literal["absent", "preparing", "ready", "waiting"]


class VolumesLife(msgspec.Struct, frozen=True):
    state: VolumesState = "absent"
    not_before: float = 0.0
    failures: int = 0


class ResizeLife(msgspec.Struct, frozen=True):
    """Resources that change while the pod runs: what was said of the newest wish, and how far an agreed one is."""

    generation: int = 0  # of the pod whose wish this is about
    pending: str = ""  # Deferred or Infeasible: not agreed to, `message` says why
    message: str = ""
    in_progress: bool = False  # agreed to, not everywhere yet
    writing: bool = False
    written: dict[str, ResourceRequirements] = {}  # what the groups were last given, by container
    error: str = ""  # why the last try failed
    not_before: float = 0.0


class Disruption(msgspec.Struct, frozen=True):
    """The condition DisruptionTarget of a pod that had to go for others."""

    reason: str
    message: str


FinalPhase = Literal["", "Succeeded", "Failed"]


class PodLife(msgspec.Struct, frozen=True):
    """Everything about one pod. `applied` is the number of the newest journalled fact that it includes."""

    started_at: float = 0.0
    applied: int = 0
    volumes: VolumesLife = VolumesLife()
    sandbox: SandboxLife = SandboxLife()
    containers: dict[str, ContainerLife] = {}
    allocated: dict[str, ResourceRequirements] = {}  # what the kubelet agreed to, of containers that can be resized
    resize: ResizeLife = ResizeLife()
    initialized: bool = False  # all init containers have succeeded in this sandbox
    final: FinalPhase = ""
    reason: str = ""
    message: str = ""
    rejected: bool = False  # never started: this node does not allow it
    disruption: Disruption | None = None
    removing: bool = False

    @property
    def ended(self) -> bool:
        """Nothing of it runs any more: only now is it shown as ended, and others may have what it held."""
        return bool(self.final) and not any(container.alive for container in self.containers.values())


def encode(life: PodLife) -> bytes:
    return msgspec.json.encode(life)


def decode(data: bytes) -> PodLife:
    """Raises msgspec.ValidationError for a record of a version that meant something else."""
    return msgspec.json.decode(data, type=PodLife)
