"""A pod's claims: where they are, and what the kubelet says of those that it can't use."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import claims
from podrun.kubelet.claims import ClaimedDirectory
from podrun.store.store import Store


def metadata(name: str, **fields: str) -> objects.ObjectMeta:
    return objects.ObjectMeta(name=name, **fields)


def claim(name: str, *, phase: str = "Bound", volume: str = "") -> objects.PersistentVolumeClaim:
    return objects.PersistentVolumeClaim(
        metadata=metadata(name, namespace="default"),
        spec=objects.PersistentVolumeClaimSpec(volume_name=volume),
        status=objects.PersistentVolumeClaimStatus(phase=phase),
    )


def pod(*names: str) -> objects.Pod:
    def volume(name: str) -> objects.Volume:
        source = objects.PersistentVolumeClaimVolumeSource(claim_name=name)
        return objects.Volume(name=f"v-{name}", persistent_volume_claim=source)

    spec = objects.PodSpec(volumes=tuple(map(volume, names)))
    return objects.Pod(metadata=metadata("web", namespace="default"), spec=spec)


def found(
    tmp_path: Path, *made: objects.PersistentVolumeClaim | objects.PersistentVolume, of: objects.Pod
) -> claims.Claimed:
    async def scenario() -> claims.Claimed:
        store = Store.open(tmp_path / "podrun.db")
        for one in made:
            await store.create(one)
        where = claims.directories(store, of)
        store.close()
        return where

    return asyncio.run(scenario())


def test_a_claim_stands_for_its_volumes_directory(tmp_path: Path) -> None:
    local = objects.PersistentVolumeSpec(local=objects.LocalVolumeSource(path="/srv/a"))
    volume = objects.PersistentVolume(metadata=metadata("a"), spec=local)
    where = found(tmp_path, claim("data", volume="a"), volume, of=pod("data"))
    assert where == {"v-data": ClaimedDirectory("/srv/a")}
    claims.check(where)


def test_claims_that_cant_be_used_are_named_as_the_kubelet_does(tmp_path: Path) -> None:
    wish = pod("later", "bare")
    where = found(tmp_path, claim("bare", phase="Pending"), of=wish)
    with pytest.raises(PodrunError) as caught:
        claims.check(where)
    assert caught.value.message == (
        "Unable to attach or mount volumes: unmounted volumes=[v-bare v-later], unattached volumes=[], "
        "failed to process volumes=[v-bare v-later]: error processing PVC default/later: failed to fetch PVC from API "
        'server: persistentvolumeclaims "later" not found; error processing PVC default/bare: PVC is not bound'
    )
