"""The node agent in this very process: what the API asks, handed to the kubelet and the images."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import podrun
from podrun.api import objects, times
from podrun.api.instruments import Histogram
from podrun.errors import PodrunError
from podrun.image.images import ImportOptions
from podrun.image.store import Images
from podrun.kubelet import anatomy, inside
from podrun.kubelet.anatomy import Anatomy
from podrun.kubelet.kubelet import Kubelet
from podrun.kubelet.measures import Measures
from podrun.kubelet.meter import Meter, Reading, Usage
from podrun.kubelet.planner import Streams
from podrun.kubelet.pod_worker import PodWorker
from podrun.kubelet.services import Services
from podrun.server.image_transport import LocalTransport, summary
from podrun.server.node_agent import ExecTicket, ImageRemoval, ImageSummary, ImportRequest

Result = TypeVar("Result")


class LocalAgent:
    """Implements server/node_agent.py's NodeAgent. Whatever may block goes to the disk threads."""

    def __init__(self, kubelet: Kubelet, services: Services) -> None:
        self._kubelet = kubelet
        self._services = services
        self._started_at = time.time()
        self._meter = Meter(kubelet.figures)
        self.image_transport = LocalTransport(kubelet, services)

    @property
    def node_name(self) -> str:
        return self._services.host.name

    async def prepare_exec(
        self,
        pod: objects.Pod,
        container: str,
        argv: tuple[str, ...],
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        tty: bool,
    ) -> ExecTicket:
        worker = self._kubelet.worker(pod)
        if worker is None:
            raise PodrunError(f'container not found ("{container}")')
        streams = Streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return ExecTicket(*await worker.prepare_exec(container, argv, streams))

    async def prepare_attach(
        self, pod: objects.Pod, container: str, *, stdin: bool, stdout: bool, stderr: bool
    ) -> ExecTicket:
        worker = self._kubelet.worker(pod)
        if worker is None:
            raise PodrunError(f'container not found ("{container}")')
        streams = Streams(stdin=stdin, stdout=stdout, stderr=stderr)
        return ExecTicket(*await worker.prepare_attach(container, streams))

    async def usage(self) -> Usage:
        return await self._meter.usage()

    async def reading(self) -> Reading:
        return await self._meter.reading()

    @property
    def measures(self) -> Measures:
        return self._services.measures

    def probe_counts(self) -> dict[tuple[str, str, str, str], int]:
        return self._kubelet.probe_counts()

    def probe_durations(self) -> dict[tuple[str, str, str], Histogram]:
        return self._kubelet.probe_durations()

    async def anatomy(self, pod: objects.Pod) -> Anatomy | None:
        worker = self._kubelet.worker(pod)
        return None if worker is None else await anatomy.look(worker.sites())

    async def dial(self, pod: objects.Pod, port: int) -> socket.socket:
        pause = None if pod.spec.host_network else self._worker(pod).pause_group()
        return await inside.dial(pause, port)

    async def start_file_work(self, pod: objects.Pod, container: str, *words: str) -> inside.FileWork:
        return await inside.start_file_work(self._worker(pod).container_group(container), *words)

    def _worker(self, pod: objects.Pod) -> PodWorker:
        worker = self._kubelet.worker(pod)
        if worker is None:
            raise PodrunError(f'the kubelet does not run pod "{pod.metadata.name}"')
        return worker

    def log_dir(self, pod: objects.Pod, container: str) -> Path:
        meta = pod.metadata
        return self._services.paths.pod_log_dir(meta.namespace, meta.name, meta.uid) / container

    async def image_list(self) -> list[ImageSummary]:
        return [summary(image) for image in await self._on_disk(self._services.images.list)]

    async def image_import(self, request: ImportRequest) -> ImageSummary:
        options = ImportOptions(
            cmd=request.cmd,
            entrypoint=request.entrypoint,
            env=request.env,
            user=request.user,
            working_dir=request.working_dir,
        )
        image = await self._on_disk(partial(self._images.import_, request.path, request.name, options))
        self._kubelet.image_came(image)
        return summary(image)

    async def image_load(self, path: Path) -> list[ImageSummary]:
        images = await self._on_disk(partial(self._images.load, path))
        for image in images:
            self._kubelet.image_came(image)
        return [summary(image) for image in images]

    async def image_remove(self, name: str) -> ImageRemoval:
        removal = await self._on_disk(partial(self._images.remove, name, self._kubelet.users_of))
        return ImageRemoval(removal.untagged, removal.deleted)

    def info(self) -> dict[str, object]:
        services = self._services
        return {
            "version": podrun.__version__,
            "pid": os.getpid(),
            "node": services.host.name,
            "addresses": list(services.host.addresses),
            "startedAt": times.rfc3339(self._started_at),
            "pods": self._kubelet.pod_count,
            "images": len(services.images.list()),
            "cgroups": {
                "version": 2 if not services.hierarchies.v1_controllers else "hybrid",
                "parent": services.cgroup_parent,
            },
            "bootID": services.boot_id,
            "settings": services.paths.environment(),
        }

    @property
    def _images(self) -> Images:
        return self._services.images

    async def _on_disk(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._services.disk, function)
