"""The volumes of one pod whose files podrun writes, kept as the objects are that they come from.

What is in them is decided in volume_files.py. They are in the memory of the pod's shim, never on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from podrun.api import objects
from podrun.errors import PodrunError, in_words
from podrun.kubelet import downward, volume_files, volume_places
from podrun.kubelet.account_tokens import Token
from podrun.kubelet.happenings import Emit
from podrun.kubelet.places import PodPlace
from podrun.kubelet.sandbox import Sandbox
from podrun.kubelet.services import Services
from podrun.kubelet.shims import LinkClosed
from podrun.kubelet.volume_files import Files
from podrun.linux import statfs
from podrun.volume import atomic_writer

SHORTEST_WAIT, LONGEST_WAIT = 1.0, 600.0  # seconds between two looks at the tokens: the clock may be set meanwhile
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NoMemoryError(PodrunError):
    """The shim holds no memory for them, or not yet."""


class WrittenVolumes:
    """`emit` tells what went wrong when they were to follow a change."""

    def __init__(self, services: Services, place: PodPlace, sandbox: Sandbox, emit: Callable[[Emit], None]) -> None:
        self._services = services
        self._place = place
        self._sandbox = sandbox
        self._emit = emit
        self._lock = asyncio.Lock()
        self._wanted: objects.Pod | None = None
        self._following: asyncio.Task[None] | None = None
        self._complaint = ""
        self._tokens: dict[objects.ServiceAccountTokenProjection, Token | PodrunError] = {}
        self._renewal: asyncio.TimerHandle | None = None

    def follow(self, pod: objects.Pod) -> None:
        """What they show may have changed: write it soon, if the pod has a sandbox."""
        if not _any(pod):
            return
        self._wanted = pod
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while (pod := self._wanted) is not None:
            self._wanted = None
            try:
                await self.write(pod)
                self._complaint = ""
            except (LinkClosed, NoMemoryError):
                pass  # without a sandbox nobody reads them
            except (PodrunError, OSError) as error:
                if in_words(error) != self._complaint:
                    self._complaint = in_words(error)
                    self._emit(Emit("Warning", "FailedMount", self._complaint))

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def files(self, pod: objects.Pod) -> dict[str, Files]:
        """What they hold now, by volume. PodrunError in the words of the event FailedMount."""
        await self._issue_tokens(pod)
        newest = self._services.store.by_uid(pod.metadata.uid)  # labels and annotations may have changed
        current = replace(pod, metadata=newest.metadata) if newest is not None else pod
        sources = self._sources(current)
        found = {}
        for volume in filter(volume_places.is_written, pod.spec.volumes):
            try:
                found[volume.name] = volume_files.files(volume, current, sources)
            except PodrunError as error:
                raise PodrunError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        return found

    async def write(self, pod: objects.Pod) -> None:
        """Into the memory of the shim, which has a sandbox. PodrunError, OSError."""
        if not _any(pod):
            return
        async with self._lock:
            wanted = await self.files(pod)
            root = _open_memory(f"{self._sandbox.held_root()}{self._place.written}")
            try:
                await self._sandbox.confirm()  # the shim lives, so that was its number all the time
                loop, gid = asyncio.get_running_loop(), volume_places.fs_group(pod)
                await loop.run_in_executor(self._services.disk, _write, root, wanted, gid, self._place.first_id)
            finally:
                os.close(root)
            self._renew_tokens_later(pod)

    async def _issue_tokens(self, pod: objects.Pod) -> None:
        """Those that are missing, or due for another one."""
        now, loop = time.time(), asyncio.get_running_loop()
        for projection in volume_files.tokens(pod.spec):
            known = self._tokens.get(projection)
            if not isinstance(known, Token) or known.refresh_at <= now:
                try:
                    issue = partial(self._services.tokens.issue, pod, projection)
                    self._tokens[projection] = await loop.run_in_executor(self._services.disk, issue)
                except PodrunError as error:
                    self._tokens[projection] = error

    def _renew_tokens_later(self, pod: objects.Pod) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        due = [token.refresh_at for token in self._tokens.values() if isinstance(token, Token)]
        if due:
            delay = min(max(min(due) - time.time(), SHORTEST_WAIT), LONGEST_WAIT)
            self._renewal = asyncio.get_running_loop().call_later(delay, self.follow, pod)

    def _token(self, projection: objects.ServiceAccountTokenProjection) -> str:
        found = self._tokens[projection]
        if isinstance(found, PodrunError):
            raise found
        return found.text

    def _sources(self, pod: objects.Pod) -> volume_files.Sources:
        store, host, namespace = self._services.store, self._services.host, pod.metadata.namespace
        node = store.get(objects.Node, "", host.name)
        return volume_files.Sources(
            config_map=partial(store.get, objects.ConfigMap, namespace),
            secret=partial(store.get, objects.Secret, namespace),
            facts=downward.Facts(host.name, allocatable=node.status.allocatable if node is not None else {}),
            token=self._token,
        )


def _any(pod: objects.Pod) -> bool:
    return any(map(volume_places.is_written, pod.spec.volumes))


def _open_memory(path: str) -> int:
    """The directory, if it is in memory: where the shim has not mounted it yet, or no more, it would be on the disk."""
    try:
        root = os.open(path, _DIRECTORY)
    except OSError as error:
        raise NoMemoryError(f"cannot open {path}: {error.strerror}") from error
    if statfs.file_system_type(root) != statfs.TMPFS_MAGIC:
        os.close(root)
        raise NoMemoryError(f"{path} is not in memory")
    return root


def _write(root: int, volumes: Mapping[str, Files], gid: int | None, first_id: int) -> None:
    for name, files in volumes.items():
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=root)
        directory = os.open(name, _DIRECTORY, dir_fd=root)
        try:
            atomic_writer.write(directory, files, gid, first_id)
        finally:
            os.close(directory)
