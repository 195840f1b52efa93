"""The claims of ephemeral volumes: made with the pod, gone with it. Pure; claims.py carries it out.

Rules: pkg/controller/volume/ephemeral, and of pkg/controller/garbagecollector what concerns claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from podrun.api import objects, pod_claims
from podrun.api.objects import PersistentVolumeClaim, Pod


@dataclass(frozen=True, slots=True)
class Make:
    """The claim of this volume of the pod."""

    pod: Pod
    volume: str
    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Refuse:
    """Somebody else's claim has the name."""

    pod: Pod
    volume: str
    message: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The pods that own the claim are gone."""

    claim: PersistentVolumeClaim


Step = Make | Refuse | Drop


def steps(claims: Iterable[PersistentVolumeClaim], pods: Sequence[Pod]) -> Iterator[Step]:
    """What to do now."""
    known = {(claim.metadata.namespace, claim.metadata.name): claim for claim in claims}
    for pod in pods:
        for volume in pod.spec.volumes if pod.metadata.deletion_timestamp is None else ():
            if volume.ephemeral is None or volume.ephemeral.volume_claim_template is None:
                continue
            made = _claim(pod, volume.name, volume.ephemeral.volume_claim_template)
            claim = known.get((made.metadata.namespace, made.metadata.name))
            if claim is None:
                yield Make(pod, volume.name, made)
            elif not pod_claims.was_made_for(pod, claim):
                yield Refuse(pod, volume.name, pod_claims.not_the_owner(pod, claim))
    present = {pod.metadata.uid for pod in pods}
    yield from (Drop(claim) for claim in known.values() if _is_orphan(claim, present))


def _claim(pod: Pod, volume: str, template: objects.PersistentVolumeClaimTemplate) -> PersistentVolumeClaim:
    meta = pod.metadata
    owner = objects.OwnerReference(
        api_version="v1", kind="Pod", name=meta.name, uid=meta.uid, controller=True, block_owner_deletion=True
    )
    metadata = objects.ObjectMeta(
        name=f"{meta.name}-{volume}",
        namespace=meta.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        owner_references=(owner,),
    )
    return PersistentVolumeClaim(metadata=metadata, spec=template.spec)


def _is_orphan(claim: PersistentVolumeClaim, present: set[str]) -> bool:
    """Whether nothing that owns it is there. Of owners that are no pods nothing is known here."""
    owners = claim.metadata.owner_references
    return (
        bool(owners)
        and claim.metadata.deletion_timestamp is None
        and all(owner.kind == "Pod" and owner.uid not in present for owner in owners)
    )
