"""What can happen to a pod, and what may be done about it: the two closed unions between pod_life.py and pod_worker.py.

The facts of a shim (shim/facts.py) are happenings too.
"""

from __future__ import annotations

from dataclasses import dataclass

from podrun.api.objects import ResourceRequirements
from podrun.shim.facts import Numbered

# ---- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Synced:
    """The wish changed, or time has passed: look again."""


@dataclass(frozen=True, slots=True)
class VolumesReady:
    pass


@dataclass(frozen=True, slots=True)
class VolumesFailed:
    message: str  # `MountVolume.SetUp failed for volume "v" : ...`


@dataclass(frozen=True, slots=True)
class SandboxReady:
    """Pause holds the namespaces and the network is there."""

    attempt: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SandboxUnmade:
    """The sandbox could not be made, and nothing of it is left."""

    attempt: int
    message: str


@dataclass(frozen=True, slots=True)
class ShimLost:
    """The shim's socket closed and everything in the pod's cgroups has been killed."""


@dataclass(frozen=True, slots=True)
class SandboxLeft:
    """Shim, pause and network are gone."""


@dataclass(frozen=True, slots=True)
class ImageReady:
    """`shown` and `origin` are its name and its digest for the status, as containerd tells them."""

    container: str
    image_id: str
    shown: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class ImageFailed:
    container: str
    reason: str  # ErrImagePull, RegistryUnavailable, ErrImageNeverPull, InvalidImageName, ImageInspectError
    message: str


@dataclass(frozen=True, slots=True)
class ImageCame:
    """Somebody brought an image, with these full references: who waits for it need not wait longer."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """No plan could be made: CreateContainerConfigError or CreateContainerError. The attempt was not used up."""

    container: str
    attempt: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ReferenceChanged:
    """A ConfigMap, Secret or claim that the pod refers to came, changed or went: what waits for one looks again."""


@dataclass(frozen=True, slots=True)
class ShimOutdated:
    """The pod's shim is an older podrun's and does not know what this run needs. The attempt was not used up."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """What is believed of a run has changed, by a probe."""

    container: str
    attempt: int
    kind: str  # startup, liveness or readiness
    success: bool


@dataclass(frozen=True, slots=True)
class PostStartReturned:
    """`failure` is empty when the hook succeeded."""

    container: str
    attempt: int
    failure: str


@dataclass(frozen=True, slots=True)
class PreStopReturned:
    container: str
    attempt: int
    failure: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new kubelet took this pod over. `connected`: its shim answered."""

    connected: bool


@dataclass(frozen=True, slots=True)
class Evicted:
    """The pod takes too much, or the node has too little: it ends for good."""

    message: str


@dataclass(frozen=True, slots=True)
class ResizeJudged:
    """Whether there is room for what the pod of this generation wishes; an empty reason: there is."""

    generation: int
    wish: dict[str, ResourceRequirements]
    reason: str = ""  # Deferred or Infeasible
    message: str = ""


@dataclass(frozen=True, slots=True)
class ResizeWritten:
    """The groups of pod and containers have these resources; not where `error` says why.

    `runs`: the ids of who was running when this began, by name. A run that came later has amounts of its own.
    """

    amounts: dict[str, ResourceRequirements]
    runs: dict[str, str]
    error: str = ""


Happening = (
    Synced
    | VolumesReady
    | VolumesFailed
    | SandboxReady
    | SandboxUnmade
    | ShimLost
    | SandboxLeft
    | ImageReady
    | ImageFailed
    | ImageCame
    | LaunchRefused
    | ShimOutdated
    | ProbeVerdict
    | ReferenceChanged
    | PostStartReturned
    | PreStopReturned
    | Resumed
    | Evicted
    | ResizeJudged
    | ResizeWritten
    | Numbered
)

# ---- what to do ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrepareVolumes:
    """Answered by VolumesReady or VolumesFailed."""


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Answered by SandboxReady or SandboxUnmade."""

    attempt: int


@dataclass(frozen=True, slots=True)
class LeaveSandbox:
    """Kill what still lives, let the shim end, take the network away. Answered by SandboxLeft."""


@dataclass(frozen=True, slots=True)
class EnsureImage:
    """Answered by ImageReady or ImageFailed."""

    container: str


@dataclass(frozen=True, slots=True)
class AbandonImage:
    """The container's image is no longer wanted: what EnsureImage began ends, and is not answered."""

    container: str


@dataclass(frozen=True, slots=True)
class LaunchRun:
    """Answered by the facts Started or StartFailed, or by LaunchRefused."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RunPostStart:
    """Answered by PostStartReturned."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RunPreStop:
    """Answered by PreStopReturned; it dies with its container."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SignalRun:
    """The stop signal of pod or image, SIGTERM by default, to the main program."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class KillRun:
    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class WriteResources:
    """Give the groups of pod and running containers these resources. Answered by ResizeWritten."""

    before: dict[str, ResourceRequirements]
    amounts: dict[str, ResourceRequirements]


@dataclass(frozen=True, slots=True)
class ForgetRun:
    """The run has ended: its writable layer may go, its log stays."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RemovePod:
    """Volumes, directories, cgroups, logs and at last the object. The pod's life ends here."""


@dataclass(frozen=True, slots=True)
class Emit:
    """An event of Kubernetes about this pod. `container` names the spec field it is about."""

    type: str  # Normal or Warning
    reason: str
    message: str
    container: str = ""


Effect = (
    PrepareVolumes
    | MakeSandbox
    | LeaveSandbox
    | EnsureImage
    | AbandonImage
    | LaunchRun
    | RunPostStart
    | RunPreStop
    | SignalRun
    | KillRun
    | WriteResources
    | ForgetRun
    | RemovePod
    | Emit
)
