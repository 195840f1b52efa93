"""A pod's persistentVolumeClaims: which directory each stands for, and whether the pod must wait for one.

What binds claims is podrun/controllers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podrun.api import objects, pod_claims
from podrun.api.times import unix_seconds
from podrun.errors import PodrunError
from podrun.kubelet.scheduler import Refusal
from podrun.store.store import Store

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
UNMADE = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
FRESH = 2.0  # seconds in which a new claim is expected to be bound, and nobody is told that it is not
_TAKEN = "1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
_HELPLESS = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


@dataclass(frozen=True, slots=True)
class ClaimedDirectory:
    """`type` is that of a hostPath; None: a directory that must be there."""

    path: str
    type: str | None = None


class UnusableClaimError(PodrunError):
    """In kube-scheduler's words; `processing` says it in the kubelet's (volumemanager/populator)."""

    def __init__(self, message: str, processing: str) -> None:
        super().__init__(message)
        self.processing = processing


def directory_of(store: Store, pod: objects.Pod, volume: objects.Volume, claim: str) -> ClaimedDirectory:
    """UnusableClaimError: there is no such claim, it is not for this pod, or it has no volume yet."""
    found = store.get(objects.PersistentVolumeClaim, pod.metadata.namespace, claim)
    error_processing = f"error processing PVC {pod.metadata.namespace}/{claim}:"
    if found is None:
        missing = f'failed to fetch PVC from API server: persistentvolumeclaims "{claim}" not found'
        text = f'{UNMADE} "{claim}"' if volume.ephemeral else f'persistentvolumeclaim "{claim}" not found'
        raise UnusableClaimError(text, f"{error_processing} {missing}")
    if found.metadata.deletion_timestamp is not None:
        text = f'persistentvolumeclaim "{claim}" is being deleted'
        raise UnusableClaimError(text, f"{error_processing} PVC is being deleted")
    if found.status.phase == "Lost":
        text = f'persistentvolumeclaim "{claim}" bound to non-existent persistentvolume '
        raise UnusableClaimError(text, f"{error_processing} PVC is not bound")
    if volume.ephemeral and not pod_claims.was_made_for(pod, found):
        text = pod_claims.not_the_owner(pod, found)
        raise UnusableClaimError(text, text)
    bound = store.get(objects.PersistentVolume, "", found.spec.volume_name)
    if found.status.phase != "Bound" or bound is None:
        raise UnusableClaimError(UNBOUND, f"{error_processing} PVC is not bound")
    if bound.spec.host_path is not None:
        return ClaimedDirectory(bound.spec.host_path.path, bound.spec.host_path.type or "")
    if bound.spec.local is not None:
        return ClaimedDirectory(bound.spec.local.path)
    text = f'persistentvolume "{bound.metadata.name}" is of a kind that podrun does not carry out yet'
    raise UnusableClaimError(text, f"{error_processing} {text}")


Claimed = Mapping[str, ClaimedDirectory | UnusableClaimError]
"""For each volume of a pod that is a claim, where it is, or why it is nowhere."""


def directories(store: Store, pod: objects.Pod) -> Claimed:
    found: dict[str, ClaimedDirectory | UnusableClaimError] = {}
    for volume in pod.spec.volumes:
        if (claim := pod_claims.claim_name(pod.metadata.name, volume)) is not None:
            try:
                found[volume.name] = directory_of(store, pod, volume, claim)
            except UnusableClaimError as error:
                found[volume.name] = error
    return found


def check(claimed: Claimed) -> None:
    """PodrunError where a claim can't be used, in the words of the event FailedMount (WaitForAttachAndMount).

    Of nothing else kubelets say this any more: waiting for too long is no event (SyncPod, wait.Interrupted).
    """
    problems = {name: found for name, found in claimed.items() if isinstance(found, UnusableClaimError)}
    if problems:
        names = " ".join(sorted(problems))
        raise PodrunError(
            f"Unable to attach or mount volumes: unmounted volumes=[{names}], unattached volumes=[], "
            f"failed to process volumes=[{names}]: {'; '.join(problem.processing for problem in problems.values())}"
        )


def obstacle(store: Store, pod: objects.Pod, placed: Iterable[objects.Pod]) -> Refusal | None:
    """Why a pod can't be placed yet because of its claims, in the words of kube-scheduler."""
    for found in directories(store, pod).values():
        if isinstance(found, UnusableClaimError):
            return Refusal("Unschedulable", f"0/1 nodes are available: {found}. {_HELPLESS}")
    alone = {name for name in _names(pod) if _is_for_one_pod(store, pod.metadata.namespace, name)}
    for other in placed if alone else ():
        same = other.metadata.namespace == pod.metadata.namespace and other.metadata.uid != pod.metadata.uid
        if same and alone & set(_names(other)):
            return Refusal("Unschedulable", f"0/1 nodes are available: {_TAKEN}. {_HELPLESS}")
    return None


def will_be_bound(store: Store, pod: objects.Pod, refusal: Refusal, now: float) -> bool:
    """Whether the pod waits for a claim that has only just been made, or is made with the pod; `now` is Unix time."""
    if UNBOUND not in refusal.message and UNMADE not in refusal.message:
        return False
    claims = (store.get(objects.PersistentVolumeClaim, pod.metadata.namespace, name) for name in _names(pod))
    metadata = (pod.metadata, *(claim.metadata for claim in claims if claim is not None))
    made = [unix_seconds(each.creation_timestamp or "") for each in metadata]
    return now - max(made) < FRESH


def _names(pod: objects.Pod) -> list[str]:
    names = (pod_claims.claim_name(pod.metadata.name, volume) for volume in pod.spec.volumes)
    return [name for name in names if name is not None]


def _is_for_one_pod(store: Store, namespace: str, name: str) -> bool:
    claim = store.get(objects.PersistentVolumeClaim, namespace, name)
    return claim is not None and "ReadWriteOncePod" in claim.spec.access_modes
