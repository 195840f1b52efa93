"""Claims and volumes: what is bound to what, what is made, and what goes when."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from podrun.api import defaults, objects
from podrun.controllers import binding, ephemeral_volumes
from podrun.controllers.binding import Bind, LetGo, Lose, Protect, Provision, Reclaim, Show, Step, Wait
from podrun.controllers.ephemeral_volumes import Drop, Make, Refuse

GONE = "2026-01-02T03:04:05Z"


def claim(name: str = "data", size: str = "1Gi", **changes: Any) -> objects.PersistentVolumeClaim:
    metadata = {"finalizers": (binding.CLAIM_PROTECTION,)} | changes.pop("metadata", {})
    status = changes.pop("status", objects.PersistentVolumeClaimStatus(phase="Pending"))
    requests = objects.VolumeResourceRequirements(requests={"storage": size})
    spec = objects.PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",), resources=requests)
    made = objects.PersistentVolumeClaim(
        metadata=objects.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", **metadata),
        spec=replace(spec, **changes),
        status=status,
    )
    return defaults.default_claim(made)


def bound(size: str = "1Gi", capacity: str = "1Gi") -> objects.PersistentVolumeClaim:
    status = objects.PersistentVolumeClaimStatus(phase="Bound", capacity={"storage": capacity})
    return claim(size=size, volume_name="pvc-uid-data", status=status)


def volume(
    name: str = "shelf", size: str = "5Gi", phase: str = "Available", **changes: Any
) -> objects.PersistentVolume:
    metadata = objects.ObjectMeta(name=name, **changes.pop("metadata", {}))
    spec = objects.PersistentVolumeSpec(
        capacity={"storage": size},
        access_modes=("ReadWriteOnce", "ReadWriteMany"),
        host_path=objects.HostPathVolumeSource(path="/srv"),
        storage_class_name="manual",
        persistent_volume_reclaim_policy="Retain",
    )
    status = objects.PersistentVolumeStatus(phase=phase)
    return objects.PersistentVolume(metadata=metadata, spec=replace(spec, **changes), status=status)


def pod(phase: str = "Running") -> objects.Pod:
    source = objects.PersistentVolumeClaimVolumeSource(claim_name="data")
    spec = objects.PodSpec(volumes=(objects.Volume(name="v", persistent_volume_claim=source),))
    return objects.Pod(
        metadata=objects.ObjectMeta(name="p", namespace="default"), spec=spec, status=objects.PodStatus(phase=phase)
    )


def only(
    claims: list[objects.PersistentVolumeClaim],
    volumes: list[objects.PersistentVolume],
    pods: list[objects.Pod] | None = None,
) -> Step:
    (step,) = binding.steps(claims, volumes, pods or [])
    return step


@pytest.mark.parametrize("phase", ["", "Pending", "Available"])
def test_a_volume_that_is_bound_as_soon_as_it_is_there_is_not_shown_as_available(phase: str) -> None:
    wanted, new = claim(storage_class_name="manual"), volume(phase=phase)
    assert only([wanted], [new]) == Bind(wanted, new)


def test_a_claim_gets_a_volume_of_its_own_whatever_its_class() -> None:
    for storage_class in (None, "gp2"):
        new = claim(storage_class_name=storage_class)
        assert only([new], []) == Provision(new)
    made = binding.volume_for(claim(), "/d")
    assert (made.metadata.name, made.spec.persistent_volume_reclaim_policy) == ("pvc-uid-data", "Delete")
    assert only([claim()], [made]) == Bind(claim(), made)
    kept = binding.volume_for(claim(storage_class_name="standard-retain"), "/d")
    assert kept.spec.persistent_volume_reclaim_policy == "Retain"


def test_a_volume_that_was_set_aside_is_taken_the_smallest_first_and_once() -> None:
    small, large = volume("small", "2Gi"), volume("large", "9Gi")
    first, second = claim("a", storage_class_name="manual"), claim("b", storage_class_name="manual")
    assert binding.steps([first, second], [large, small], []) == [Bind(first, small), Bind(second, large)]
    own = volume("own", "9Gi", claim_ref=objects.ObjectReference(namespace="default", name="a"))
    assert binding.steps([first], [small, own], []) == [Bind(first, own)]


@pytest.mark.parametrize(
    "changes",
    [
        {"storage_class_name": "other"},
        {"size": "6Gi"},
        {"access_modes": ("ReadOnlyMany",)},
        {"volume_name": "another"},
        {"selector": objects.LabelSelector(match_labels={"a": "b"})},
    ],
)
def test_what_does_not_fit_is_not_taken(changes: dict[str, Any]) -> None:
    assert not binding.fits(claim(**{"storage_class_name": "manual", **changes}), volume())
    assert binding.fits(claim(storage_class_name="manual", selector=objects.LabelSelector()), volume())


def test_without_a_class_a_claim_waits_for_a_volume() -> None:
    step = only([claim(storage_class_name="")], [])
    assert isinstance(step, Wait)
    assert step.message == "no persistent volumes available for this claim and no storage class is set"
    assert isinstance(only([claim(volume_name="none")], []), Wait)


def test_a_claim_in_use_is_protected_until_the_pod_has_ended() -> None:
    deleted = claim(metadata={"deletion_timestamp": GONE})
    assert binding.steps([deleted], [], [pod()]) == []
    assert only([deleted], [], [pod("Succeeded")]) == LetGo(deleted)
    left = claim(metadata={"deletion_timestamp": GONE, "finalizers": ()})  # its last finalizer went meanwhile
    assert only([left], []) == LetGo(left)
    bare = claim(metadata={"finalizers": ()})
    assert only([bare], []) == Protect(bare)


def test_a_volume_of_ours_goes_with_its_claim_and_others_are_released() -> None:
    made = binding.volume_for(claim(), "/d")
    assert only([], [made]) == Reclaim(made)
    kept = binding.volume_for(claim(storage_class_name="x-retain"), "/d")
    assert only([], [kept]) == Show(kept, "Released")
    going = replace(kept, metadata=replace(kept.metadata, deletion_timestamp=GONE))
    assert only([], [going]) == Reclaim(going)
    assert only([], [volume(phase="Pending")]) == Show(volume(phase="Pending"), "Available")
    assert binding.steps([], [volume()], []) == []


def test_a_bound_claim_grows_and_notices_a_lost_volume() -> None:
    made = binding.volume_for(bound(), "/d")
    assert binding.steps([bound()], [made], []) == []
    assert only([bound("2Gi")], [made]) == Bind(bound("2Gi"), made)
    assert only([bound()], []) == Lose(bound())


def with_ephemeral_volume(uid: str = "uid-p", **metadata: Any) -> objects.Pod:
    spec = objects.PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",))
    template = objects.PersistentVolumeClaimTemplate(metadata=objects.ObjectMeta(labels={"a": "b"}), spec=spec)
    source = objects.EphemeralVolumeSource(volume_claim_template=template)
    return objects.Pod(
        metadata=objects.ObjectMeta(name="p", namespace="default", uid=uid, **metadata),
        spec=objects.PodSpec(volumes=(objects.Volume(name="v", ephemeral=source),)),
    )


def test_an_ephemeral_volume_has_a_claim_that_the_pod_owns() -> None:
    user = with_ephemeral_volume()
    (made,) = ephemeral_volumes.steps([], [user])
    assert isinstance(made, Make)
    assert (made.claim.metadata.name, made.claim.metadata.labels) == ("p-v", {"a": "b"})
    assert made.claim.metadata.owner_references == (
        objects.OwnerReference(
            api_version="v1", kind="Pod", name="p", uid="uid-p", controller=True, block_owner_deletion=True
        ),
    )
    assert list(ephemeral_volumes.steps([made.claim], [user])) == []
    assert list(ephemeral_volumes.steps([], [with_ephemeral_volume(deletion_timestamp=GONE)])) == []
    # It is in use by its own pod, and goes with that: a later one of the same name is another.
    finalizers = (binding.CLAIM_PROTECTION,)
    metadata = replace(made.claim.metadata, finalizers=finalizers, deletion_timestamp=GONE)
    deleted = replace(made.claim, metadata=metadata)
    later = with_ephemeral_volume(uid="uid-later")
    assert binding.steps([deleted], [], [user]) == []
    assert only([deleted], [], [later]) == LetGo(deleted)
    refused, dropped = ephemeral_volumes.steps([made.claim], [later])
    assert dropped == Drop(made.claim)
    assert isinstance(refused, Refuse)
    assert refused.message == "PVC default/p-v was not created for pod default/p (pod is not owner)"


def test_what_others_own_is_left_alone() -> None:
    owned = claim(metadata={"owner_references": (objects.OwnerReference(kind="StatefulSet", name="s", uid="u"),)})
    assert list(ephemeral_volumes.steps([claim(), owned], [])) == []
