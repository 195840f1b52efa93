"""The PersistentVolumeClaims that a pod's volumes stand for. Pure.

An ephemeral volume has a claim of its own, named after pod and volume (component-helpers/storage/ephemeral).
"""

from __future__ import annotations

from podrun.api.objects import ObjectMeta, PersistentVolumeClaim, Pod, Volume


def claim_name(pod: str, volume: Volume) -> str | None:
    """The claim of a volume of the pod with this name; None: it is of another kind."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod}-{volume.name}" if volume.ephemeral is not None else None


def controller(metadata: ObjectMeta) -> str:
    """The uid of the object that manages this one; empty: none does."""
    return next((owner.uid for owner in metadata.owner_references if owner.controller), "")


def was_made_for(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether a claim with the name of an ephemeral volume's is that one."""
    ours, theirs = pod.metadata, claim.metadata
    return theirs.namespace == ours.namespace and controller(theirs) == ours.uid != ""


def not_the_owner(pod: Pod, claim: PersistentVolumeClaim) -> str:
    """What Kubernetes says of one that is not."""
    ours, theirs = pod.metadata, claim.metadata
    return (
        f"PVC {theirs.namespace}/{theirs.name} was not created for pod {ours.namespace}/{ours.name} (pod is not owner)"
    )
