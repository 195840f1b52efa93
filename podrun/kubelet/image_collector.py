"""Removes images that nobody uses when the disk fills up. Which and when, image_gc.py decides."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.image.images import Image
from podrun.kubelet import image_gc
from podrun.kubelet.image_gc import ImagePolicy, Record
from podrun.kubelet.services import Services

logger = logging.getLogger(__name__)

PERIOD = 60.0  # seconds between two looks


class ImageCollector:
    """`run` until cancelled. `users_of` names the containers that use an image."""

    def __init__(self, services: Services, policy: ImagePolicy, users_of: Callable[[Image], Sequence[str]]) -> None:
        self._services = services
        self._policy = policy
        self._users_of = users_of
        self._records: dict[str, Record] = {}
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                logger.exception("cannot look at the images")
            await asyncio.sleep(min(PERIOD, max(self._policy.age, 0.2)))

    async def free_all(self) -> None:
        """Every image that nobody uses goes, as the node is short of disk."""
        async with self._lock:
            for id in self._removable(ImagePolicy(0, 0, 0.0)):
                await self._remove(id)

    async def _look(self) -> None:
        async with self._lock:
            removable = self._removable(self._policy)
            wanted = self._to_free()
            for id in removable:
                if not self._to_free():
                    return
                await self._remove(id)
            if left := self._to_free():
                self._complain(wanted, max(wanted - left, 0))

    def _removable(self, policy: ImagePolicy) -> list[str]:
        images, now = self._services.images.list(), time.monotonic()
        used = {image.id for image in images if self._users_of(image)}
        self._records = image_gc.renewed(self._records, [image.id for image in images], used, now)
        return image_gc.removable(self._records, used, now, policy)

    def _to_free(self) -> int:
        try:
            disk = os.statvfs(self._services.paths.images)
        except FileNotFoundError:  # no image has ever been here
            return 0
        return image_gc.to_free(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, self._policy)

    async def _remove(self, id: str) -> None:
        """A container may have come to use it meanwhile: then it stays."""
        loop = asyncio.get_running_loop()
        try:
            with self._services.measures.operation("remove_image"):
                await loop.run_in_executor(self._services.disk, self._services.images.remove, id, self._users_of)
        except (PodrunError, OSError) as error:
            logger.warning("cannot remove an image: %s", error)
        else:
            self._services.measures.images_collected.add("space")
            logger.info("removed image %s, which nobody used", id)

    def _complain(self, wanted: int, freed: int) -> None:
        node = self._services.store.get(objects.Node, "", self._services.host.name)
        if node is not None:
            text = (
                f"Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, "
                f"but only found {freed} bytes eligible to free."
            )
            self._services.recorder.record(node, "Warning", "FreeDiskSpaceFailed", text)
