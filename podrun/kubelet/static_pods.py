"""Follows the manifest directory: what its files ask for is created, replaced and removed in the store."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import time
from pathlib import Path

from msgspec.structs import replace

from podrun.api import kinds, objects, times
from podrun.errors import PodrunError
from podrun.kubelet import static_manifests
from podrun.kubelet.services import Services
from podrun.kubelet.static_manifests import Admit, AdmitChange, Change, Create, Manifest, Remove, Step, Wishes
from podrun.linux import inotify
from podrun.linux.inotify import Mask
from podrun.store import WatchEvent, errors

logger = logging.getLogger(__name__)

RESCAN = 20.0  # seconds, as the kubelet's fileCheckFrequency
LARGEST = 3 << 20  # bytes of a file, as of a request
CHANGES = Mask.CLOSE_WRITE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.DELETE | Mask.ONLYDIR
KINDS = (
    objects.Pod,
    objects.Namespace,
    objects.ConfigMap,
    objects.Secret,
    objects.ServiceAccount,
    objects.PersistentVolumeClaim,
)

Version = tuple[int, int, int, int] | None
"""What changes when a file does: inode, size, times."""


class StaticPods:
    """`run` until cancelled. Pods of files stay when the kubelet ends."""

    def __init__(self, services: Services, admit: Admit, admit_change: AdmitChange) -> None:
        self._services = services
        self._admit = admit
        self._admit_change = admit_change
        self._directory = services.paths.manifest_dir
        self._read_before: dict[str, tuple[Version, Manifest]] = {}  # by file
        self._wishes = Wishes()
        self._said: dict[str, str] = {}  # by file or object: the error that was reported last
        self._awake = asyncio.Event()

    async def run(self) -> None:
        watching = [self._services.store.follow(kind, self._notice) for kind in KINDS]
        descriptor = inotify.inotify_init1()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._awake.set)
        try:
            while True:
                self._awake.clear()
                self._watch_directory(descriptor)
                manifests = await loop.run_in_executor(self._services.disk, self._read_all)
                if manifests is not None:
                    await self._take(manifests)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RESCAN):
                        await self._awake.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    def _watch_directory(self, descriptor: int) -> None:
        """Again each time: the directory may have come only now, or be another one. Watching it twice is once."""
        for _ in inotify.read_events(descriptor):
            pass
        with contextlib.suppress(OSError):
            inotify.inotify_add_watch(descriptor, self._directory, CHANGES)

    def _notice(self, event: WatchEvent[objects.Object] | None) -> None:
        """What somebody deleted comes back when it is gone."""
        if event is None or (event.type == "DELETED" and static_manifests.key_of(event.object) in self._wishes.objects):
            self._awake.set()

    # Reading, on a disk thread.

    def _read_all(self) -> dict[str, Manifest] | None:
        """Every manifest by its file's name; none where there is no directory, None if it can't be read."""
        try:
            files = [each for each in os.scandir(self._directory) if each.is_file()]
        except FileNotFoundError:
            return {}
        except OSError as error:
            logger.warning("cannot read %s: %s", self._directory, error.strerror)
            return None
        known, self._read_before = self._read_before, {}
        for name in (each.name for each in files if static_manifests.is_manifest(each.name)):
            version, manifest = self._read(self._directory / name, *known.get(name, (None, None)))
            if manifest is not None:
                self._read_before[name] = version, manifest
        return {name: manifest for name, (_, manifest) in self._read_before.items()}

    def _read(self, path: Path, version: Version, known: Manifest | None) -> tuple[Version, Manifest | None]:
        """The file, parsed again only if it is another one than in `version`; None: it is gone."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                found = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
                if found == version:
                    return version, known
                return found, self._parsed(path.name, file.read(LARGEST + 1))
        except OSError as error:
            return None, None if error.errno == errno.ENOENT else Manifest(error=error.strerror or str(error))

    def _parsed(self, name: str, content: bytes) -> Manifest:
        if len(content) > LARGEST:
            return Manifest(error=f"larger than {LARGEST} bytes")
        return static_manifests.read(name, content, self._services.host.name, self._admit)

    # Acting, on the event loop.

    async def _take(self, manifests: dict[str, Manifest]) -> None:
        self._wishes = static_manifests.together(manifests)
        complaints = {f"manifest {self._directory / file}": why for file, why in self._wishes.errors.items()}
        ours = [each for kind in KINDS for each in self._services.store.list(kind)[0] if static_manifests.is_ours(each)]
        for step in static_manifests.steps(self._wishes, ours):
            try:
                await self._carry_out(step)
            except (errors.StoreError, PodrunError) as error:
                name = step.object.metadata.name
                complaints[f'{type(step.object).__name__} "{name}" of a manifest'] = str(error)
        for about, why in complaints.items():
            if self._said.get(about) != why:
                self._complain(about, why)
        self._said = complaints

    def _complain(self, about: str, why: str) -> None:
        logger.warning("cannot use %s: %s", about, why)
        node = self._services.store.get(objects.Node, "", self._services.host.name)
        if node is not None:
            message = f"Error validating {about}: {why}"
            self._services.recorder.record(node, "Warning", "FailedValidation", message)

    def _check_namespace(self, name: str) -> None:
        """PodrunError: nothing can be created in it."""
        namespace = self._services.store.get(objects.Namespace, "", name)
        if namespace is None:
            raise PodrunError(f'namespaces "{name}" not found')
        if namespace.metadata.deletion_timestamp is not None:
            raise PodrunError(f"namespace {name} is being terminated")

    async def _carry_out(self, step: Step) -> None:
        store, meta = self._services.store, step.object.metadata
        match step:
            case Create(new):
                kind = kinds.find("v1", type(new).__name__)
                if kind is not None and kind.namespaced:
                    self._check_namespace(meta.namespace)
                await store.create(new)
            case Change(new):
                await store.update(type(new), meta.namespace, meta.name, lambda old: self._admit_change(new, old))
            case Remove(objects.Pod()):
                now = time.time()
                await store.update(objects.Pod, meta.namespace, meta.name, lambda pod: ending(pod, now), uid=meta.uid)
            case Remove(old):
                await store.delete(type(old), meta.namespace, meta.name, uid=meta.uid)


def ending(pod: objects.Pod, now: float) -> objects.Pod:
    """The pod as one that is to go within its own grace period; `now` in seconds since the epoch."""
    if pod.metadata.deletion_timestamp is not None:
        return pod
    own = pod.spec.termination_grace_period_seconds
    grace = 0 if pod.status.phase in ("Succeeded", "Failed") else 30 if own is None else own
    metadata = replace(
        pod.metadata,
        deletion_timestamp=times.rfc3339(math.floor(now) + grace),
        deletion_grace_period_seconds=grace,
    )
    return replace(pod, metadata=metadata)
