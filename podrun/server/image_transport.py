"""Pulling, saving and naming images for the API, by the kubelet's own pulls and store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from podrun.api import times
from podrun.errors import PodrunError
from podrun.image import references
from podrun.image.images import Image
from podrun.kubelet.kubelet import Kubelet
from podrun.kubelet.services import Services
from podrun.registry.messages import Progress
from podrun.server.node_agent import ImageSummary

Result = TypeVar("Result")


class LocalTransport:
    """Implements server/node_agent.py's ImageTransport."""

    def __init__(self, kubelet: Kubelet, services: Services) -> None:
        self._kubelet = kubelet
        self._services = services
        self._images = services.images

    async def pull(self, name: str, on_progress: Callable[[int, int, int, int], None]) -> ImageSummary:
        def tell(told: Progress) -> None:
            on_progress(told.fetched, told.total, told.unpacked, told.layers)

        pulled = await self._services.pulls.pull(references.parse(name), on_progress=tell)
        return self._told(pulled.image)

    async def log_in(self, registry: str, username: str, password: str) -> None:
        await self._services.pulls.log_in(registry, username, password)

    async def log_out(self, registry: str) -> None:
        await self._services.pulls.log_out(registry)

    async def tag(self, name: str, new_name: str) -> ImageSummary:
        return self._told(await self._on_disk(partial(self._images.tag, name, new_name)))

    async def prune(self, *, named_too: bool) -> list[ImageSummary]:
        prune = partial(self._images.prune, self._kubelet.users_of, named_too=named_too)
        return [summary(image) for image in await self._on_disk(prune)]

    async def inspect(self, name: str) -> dict[str, object]:
        image = self._images.resolve(name)
        if image is None:
            raise PodrunError(f'cannot inspect image "{name}": no such image')
        manifest, config = await self._on_disk(partial(self._images.documents, image))
        shown = msgspec.to_builtins(summary(image))
        return {
            **shown,
            "architecture": image.architecture,
            "lastUsed": times.rfc3339(self._images.last_used(image)),
            "usedBy": self._kubelet.users_of(image),
            "config": msgspec.json.decode(config),
            "manifest": msgspec.json.decode(manifest),
        }

    async def save(self, names: Sequence[str]) -> AsyncIterator[bytes]:
        pieces = await self._on_disk(partial(self._images.save, names))

        async def follow() -> AsyncIterator[bytes]:
            while piece := await self._on_disk(lambda: next(filter(None, pieces), b"")):
                yield piece

        return follow()

    def _told(self, image: Image) -> ImageSummary:
        self._kubelet.image_came(image)
        return summary(image)

    async def _on_disk(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._services.disk, function)


def summary(image: Image) -> ImageSummary:
    created = times.rfc3339(image.created.timestamp()) if image.created else ""
    return ImageSummary(image.names, image.id, image.digest, image.size, created)
