"""Claims and volumes: which belong together, what is made, what goes. Pure; claims.py carries it out.

Rules: pkg/controller/volume (persistentvolume, pvcprotection, pvprotection). A claim of any storage class gets a
directory of this machine at once, unless a volume that somebody set aside fits; one whose class is "" takes only such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from podrun.api import objects, pod_claims, quantity
from podrun.api.objects import PersistentVolume, PersistentVolumeClaim, Pod
from podrun.kubelet import node_match

CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "podrun/directory"
RETAIN_SUFFIX = "-retain"
STORAGE = "storage"

Storage = TypeVar("Storage", PersistentVolumeClaim, PersistentVolume)


@dataclass(frozen=True, slots=True)
class Protect:
    """The claim must not go while pods use it."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class LetGo:
    """The claim was deleted and no pod uses it any more."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Provision:
    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Bind:
    claim: PersistentVolumeClaim
    volume: PersistentVolume


@dataclass(frozen=True, slots=True)
class Lose:
    """The volume of a bound claim is gone."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing fits the claim."""

    claim: PersistentVolumeClaim
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Show:
    volume: PersistentVolume
    phase: str


@dataclass(frozen=True, slots=True)
class Reclaim:
    """The volume goes; its directory, too, if podrun made it."""

    volume: PersistentVolume


Step = Protect | LetGo | Provision | Bind | Lose | Wait | Show | Reclaim


def steps(
    claims: Sequence[PersistentVolumeClaim], volumes: Sequence[PersistentVolume], pods: Iterable[Pod]
) -> list[Step]:
    """What to do now."""
    used = frozenset(_used(pods))
    by_name = {volume.metadata.name: volume for volume in volumes}
    taken: set[str] = set()
    found: list[Step] = []
    for claim in claims:
        found += _of_claim(claim, by_name, taken, _is_used(claim, used))
    present = {claim.metadata.uid for claim in claims}
    for volume in volumes:
        if volume.metadata.name not in taken:
            found += _of_volume(volume, present)
    return found


def _used(pods: Iterable[Pod]) -> Iterator[tuple[str, str, str]]:
    """Namespace and name of claims, and the uid of the pod if it takes none but its own."""
    for pod in pods:
        if pod.status.phase not in ("Succeeded", "Failed"):
            meta = pod.metadata
            for volume in pod.spec.volumes:
                if (claim := pod_claims.claim_name(meta.name, volume)) is not None:
                    yield meta.namespace, claim, meta.uid if volume.ephemeral is not None else ""


def _is_used(claim: PersistentVolumeClaim, used: Collection[tuple[str, str, str]]) -> bool:
    meta = claim.metadata
    return any((meta.namespace, meta.name, pod) in used for pod in ("", pod_claims.controller(meta)))


def _of_claim(
    claim: PersistentVolumeClaim, volumes: dict[str, PersistentVolume], taken: set[str], is_used: bool
) -> Iterator[Step]:
    """`taken`: volumes that others have got in this very round."""
    meta = claim.metadata
    if meta.deletion_timestamp is not None:
        if (CLAIM_PROTECTION in meta.finalizers or not meta.finalizers) and not is_used:
            yield LetGo(claim)
        return
    if CLAIM_PROTECTION not in meta.finalizers:
        yield Protect(claim)
    elif claim.status.phase == "Bound":
        volume = volumes.get(claim.spec.volume_name)
        if volume is None:
            yield Lose(claim)
        elif _size(claim) > quantity.parse(claim.status.capacity.get(STORAGE, "0")).nanos:
            yield Bind(claim, volume)  # it has been asked to grow, and directories do
    elif claim.status.phase != "Lost":
        yield _first_step(claim, volumes, taken)


def _first_step(claim: PersistentVolumeClaim, volumes: dict[str, PersistentVolume], taken: set[str]) -> Step:
    fitting = [volume for name, volume in volumes.items() if name not in taken and fits(claim, volume)]
    if fitting:
        own = [volume for volume in fitting if volume.spec.claim_ref is not None]
        best = min(own or fitting, key=lambda volume: (_capacity(volume), volume.metadata.name))
        taken.add(best.metadata.name)
        return Bind(claim, best)
    if claim.spec.volume_name:
        return Wait(claim, "FailedBinding", f'volume "{claim.spec.volume_name}" is not there, or does not fit')
    if not claim.spec.storage_class_name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return Wait(claim, "FailedBinding", text)
    if claim.spec.selector is not None:
        return Wait(claim, "ProvisioningFailed", "claim.Spec.Selector is not supported")
    return Provision(claim)


def fits(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    """Whether a volume may be bound to a claim; one that was set aside for it always is."""
    meta, spec, reference = claim.metadata, claim.spec, volume.spec.claim_ref
    if volume.metadata.deletion_timestamp is not None:
        return False
    if reference is not None:
        named = (reference.namespace, reference.name) == (meta.namespace, meta.name)
        return named and reference.uid in ("", meta.uid)
    if spec.volume_name:
        return volume.metadata.name == spec.volume_name
    return (
        volume.spec.storage_class_name == (spec.storage_class_name or "")
        and (volume.spec.volume_mode or "Filesystem") == (spec.volume_mode or "Filesystem")
        and set(spec.access_modes) <= set(volume.spec.access_modes)
        and _capacity(volume) >= _size(claim)
        and (spec.selector is None or node_match.label_matcher(spec.selector)(volume.metadata.labels))
    )


def _of_volume(volume: PersistentVolume, claims: Collection[str]) -> Iterator[Step]:
    """`claims`: the uids of all that are there."""
    reference, phase = volume.spec.claim_ref, volume.status.phase
    is_bound = reference is not None and reference.uid in claims
    if is_bound:
        return
    if volume.metadata.deletion_timestamp is not None:
        yield Reclaim(volume)
    elif reference is None or not reference.uid:
        if phase != "Available":
            yield Show(volume, "Available")
    elif is_ours(volume) and volume.spec.persistent_volume_reclaim_policy == "Delete":
        yield Reclaim(volume)
    elif phase != "Released":
        yield Show(volume, "Released")


def is_ours(volume: PersistentVolume) -> bool:
    """Whether podrun made it for a claim. `claims.py` also looks at where its directory is."""
    return volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER


def volume_for(claim: PersistentVolumeClaim, directory: str) -> PersistentVolume:
    """The volume that is made for a claim. Its class says what becomes of it: `...-retain` is kept."""
    spec = claim.spec
    storage_class = spec.storage_class_name or ""
    return PersistentVolume(
        metadata=objects.ObjectMeta(
            name=volume_name(claim),
            annotations={PROVISIONED_BY: PROVISIONER},
            finalizers=(VOLUME_PROTECTION,),
        ),
        spec=objects.PersistentVolumeSpec(
            capacity={STORAGE: spec.resources.requests.get(STORAGE, "0")},
            local=objects.LocalVolumeSource(path=directory),
            access_modes=spec.access_modes,
            claim_ref=reference_to(claim),
            persistent_volume_reclaim_policy="Retain" if storage_class.endswith(RETAIN_SUFFIX) else "Delete",
            storage_class_name=storage_class,
            volume_mode=spec.volume_mode,
        ),
        status=objects.PersistentVolumeStatus(phase="Pending"),
    )


def volume_name(claim: PersistentVolumeClaim) -> str:
    return f"pvc-{claim.metadata.uid}"


# What becomes of the newest version of an object: it may have changed since the step was decided.


def protected(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    finalizers = (*claim.metadata.finalizers, CLAIM_PROTECTION)
    return replace(claim, metadata=replace(claim.metadata, finalizers=finalizers))


def unprotected(finalizer: str, found: Storage) -> Storage:
    left = tuple(each for each in found.metadata.finalizers if each != finalizer)
    return replace(found, metadata=replace(found.metadata, finalizers=left))


def lost(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    return replace(claim, status=replace(claim.status, phase="Lost"))


def bound_volume(claim: PersistentVolumeClaim, capacity: dict[str, str], volume: PersistentVolume) -> PersistentVolume:
    """The volume, bound to the claim."""
    spec = replace(volume.spec, claim_ref=reference_to(claim), capacity=capacity)
    return replace(volume, spec=spec, status=objects.PersistentVolumeStatus(phase="Bound"))


def bound_claim(
    volume: PersistentVolume, capacity: dict[str, str], claim: PersistentVolumeClaim
) -> PersistentVolumeClaim:
    """The claim, bound to the volume."""
    status = objects.PersistentVolumeClaimStatus(
        phase="Bound", access_modes=volume.spec.access_modes, capacity=capacity
    )
    return replace(claim, spec=replace(claim.spec, volume_name=volume.metadata.name), status=status)


def reference_to(claim: PersistentVolumeClaim) -> objects.ObjectReference:
    meta = claim.metadata
    return objects.ObjectReference(
        kind="PersistentVolumeClaim", api_version="v1", namespace=meta.namespace, name=meta.name, uid=meta.uid
    )


def _size(claim: PersistentVolumeClaim) -> int:
    return quantity.parse(claim.spec.resources.requests.get(STORAGE, "0")).nanos


def _capacity(volume: PersistentVolume) -> int:
    return quantity.parse(volume.spec.capacity.get(STORAGE, "0")).nanos
