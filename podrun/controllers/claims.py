"""Follows claims, volumes and pods, and carries out what binding.py and ephemeral_volumes.py decide: directories,
objects, events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from podrun.api import objects, status_errors
from podrun.controllers import binding, ephemeral_volumes, namespaces
from podrun.controllers.binding import Bind, LetGo, Lose, Protect, Provision, Reclaim, Show, Step, Storage, Wait
from podrun.controllers.ephemeral_volumes import Drop, Make, Refuse
from podrun.kubelet import own_thread, trees
from podrun.kubelet.recorder import About, Recorder
from podrun.store import Store, WatchEvent, errors
from podrun.volume import persistent

logger = logging.getLogger(__name__)

COMPONENT = "persistentvolume-controller"
OF_EPHEMERAL_VOLUMES = "ephemeral_volume"
RETRY = 15.0  # seconds until what failed is tried again


class Claims:
    """`run` until cancelled. `directory` holds what is made for claims.

    `admit` makes of a wish what the API would store, or raises StatusError.
    """

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        directory: Path,
        admit: Callable[[objects.Object], objects.Object],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._directory = directory
        self._admit = admit
        self._changed = asyncio.Event()
        self._removing: set[asyncio.Task[None]] = set()
        self._said: set[tuple[str, str]] = set()  # uid and message of what a claim was told already

    async def run(self) -> None:
        self._remove(self._sweep)
        kinds = (objects.PersistentVolumeClaim, objects.PersistentVolume, objects.Pod)
        following = [self._store.follow(kind, self._notice) for kind in kinds]
        try:
            while True:
                self._changed.clear()
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._changed.wait()
        finally:
            for task in (*following, *self._removing):
                task.cancel()
            await asyncio.gather(*following, *self._removing, return_exceptions=True)

    def _notice(self, event: WatchEvent[objects.Object] | None) -> None:
        """Of most pods only their ends matter here."""
        is_dull = event is not None and isinstance(event.object, objects.Pod) and not _matters(event.object)
        if event is None or event.type == "DELETED" or not is_dull:
            self._changed.set()

    async def _look(self) -> None:
        claims = self._store.list(objects.PersistentVolumeClaim)[0]
        for need in ephemeral_volumes.steps(claims, self._store.list(objects.Pod)[0]):
            await self._look_after_ephemeral_volume(need)
        # Again, for that made and dropped some.
        claims = self._store.list(objects.PersistentVolumeClaim)[0]
        volumes = self._store.list(objects.PersistentVolume)[0]
        pods = self._store.list(objects.Pod)[0]
        present = {claim.metadata.uid for claim in claims} | {pod.metadata.uid for pod in pods}
        self._said = {said for said in self._said if said[0] in present}
        for step in binding.steps(claims, volumes, pods):
            try:
                await self._carry_out(step)
            except errors.StoreError as error:
                logger.warning("cannot carry out %s: %s", type(step).__name__, error)
            except OSError as error:
                logger.warning("cannot carry out %s: %s", type(step).__name__, error)
                if isinstance(step, Bind | Provision):
                    text = f"failed to provision volume: {error.strerror}"
                    self._tell(step.claim, "Warning", "ProvisioningFailed", text)

    async def _look_after_ephemeral_volume(self, step: ephemeral_volumes.Step) -> None:
        match step:
            case Make(pod, volume, claim):
                try:
                    await self._store.create(self._admit(claim))
                except (status_errors.StatusError, errors.StoreError) as error:
                    why = f"create PVC {claim.metadata.name}: {error}"
                    self._refuse_ephemeral_volume(pod, volume, why)
            case Refuse(pod, volume, message):
                self._refuse_ephemeral_volume(pod, volume, message)
            case Drop(claim):
                try:
                    await namespaces.end(self._store, claim, time.time())
                except errors.StoreError as error:
                    logger.warning("cannot delete claim %s: %s", claim.metadata.name, error)

    def _refuse_ephemeral_volume(self, pod: objects.Pod, volume: str, why: str) -> None:
        text = f"ephemeral volume {volume}: {why}"
        self._tell(pod, "Warning", "FailedBinding", text, component=OF_EPHEMERAL_VOLUMES)

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Protect(claim):
                await self._change(claim, binding.protected)
            case LetGo(claim):
                await self._let_go(claim, binding.CLAIM_PROTECTION)
            case Provision(claim):
                await self._provision(claim)
            case Bind(claim, volume):
                await self._bind(claim, volume)
            case Lose(claim):
                await self._change(claim, binding.lost)
                text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
                self._tell(claim, "Warning", "ClaimLost", text)
            case Wait(claim, reason, message):
                self._tell(claim, "Normal", reason, message)
            case Show(volume, phase):
                await self._change(volume, lambda newest: replace(newest, status=replace(newest.status, phase=phase)))
            case Reclaim(volume):
                await self._reclaim(volume)

    async def _provision(self, claim: objects.PersistentVolumeClaim) -> None:
        """The object before the directory: what is on the disk always has an object that stands for it."""
        volume = binding.volume_for(claim, str(self._directory / binding.volume_name(claim)))
        with contextlib.suppress(errors.AlreadyExistsError):
            await self._store.create(volume)
        text = f"Successfully provisioned volume {volume.metadata.name}"
        self._tell(claim, "Normal", "ProvisioningSucceeded", text)

    async def _bind(self, claim: objects.PersistentVolumeClaim, volume: objects.PersistentVolume) -> None:
        capacity = dict(volume.spec.capacity)
        if self._is_ours(volume):
            await own_thread.run(partial(persistent.make, self._place(volume)))
            capacity = {binding.STORAGE: claim.spec.resources.requests.get(binding.STORAGE, "0")}
        await self._change(volume, partial(binding.bound_volume, claim, capacity))
        await self._change(claim, partial(binding.bound_claim, volume, capacity))

    async def _reclaim(self, volume: objects.PersistentVolume) -> None:
        """The directory before the object: one that could not be taken out of the way is tried again. How long it takes
        to remove what is in it, nobody knows or waits for."""
        if self._is_ours(volume):
            aside = trees.set_aside(self._place(volume))
            if aside is None:
                return
            self._remove(partial(trees.remove_set_aside, aside))
        await self._let_go(volume, binding.VOLUME_PROTECTION)

    async def _let_go(self, found: Storage, finalizer: str) -> None:
        """Without our finalizer, and gone if there is no other."""
        metadata = found.metadata
        others = any(each != finalizer for each in metadata.finalizers)
        with contextlib.suppress(errors.NotFoundError):
            if others and metadata.deletion_timestamp is not None:
                await self._change(found, partial(binding.unprotected, finalizer))
            else:
                await self._store.delete(type(found), metadata.namespace, metadata.name, uid=metadata.uid)

    async def _change(self, found: Storage, change: Callable[[Storage], Storage]) -> None:
        meta = found.metadata
        await self._store.update(type(found), meta.namespace, meta.name, change, uid=meta.uid)

    def _is_ours(self, volume: objects.PersistentVolume) -> bool:
        """By its mark and its place: nothing that somebody else wrote into an object has a directory removed."""
        return (
            binding.is_ours(volume)
            and volume.spec.local is not None
            and (volume.spec.local.path == str(self._place(volume)))
        )

    def _place(self, volume: objects.PersistentVolume) -> Path:
        return self._directory / volume.metadata.name

    def _sweep(self) -> None:
        """What an interrupted removal left."""
        for left in self._directory.glob("gone-*"):
            trees.remove_set_aside(left)

    def _tell(self, about: About, type_: str, reason: str, message: str, component: str = COMPONENT) -> None:
        key = about.metadata.uid, message
        if key not in self._said:
            self._said.add(key)
            self._recorder.record(about, type_, reason, message, component=component)

    def _remove(self, function: Callable[[], None]) -> None:
        task = asyncio.create_task(own_thread.run(function))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)


def _matters(pod: objects.Pod) -> bool:
    """Whether a new or changed pod is one that may let go of claims, or needs some of its own."""
    is_new = pod.status.phase == "Pending" and any(volume.ephemeral for volume in pod.spec.volumes)
    return is_new or pod.status.phase in ("Succeeded", "Failed")
