"""Looks at the node and at pods with limits of storage every few seconds, and ends who takes too much.

Who that is, eviction.py decides. The files of a pod are measured the more rarely the longer that takes, and those of
one hold up nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.kubelet import eviction, own_thread, pod_usage
from podrun.kubelet.eviction import Reading, Shortage, Use
from podrun.kubelet.node_settings import NodeSettings
from podrun.kubelet.pod_worker import PodWorker
from podrun.kubelet.services import Services
from podrun.store import errors

logger = logging.getLogger(__name__)

SPARE = 20  # of the time, one part in so many goes to measuring the files of pods


class Evictor:
    """`run` until cancelled. `workers` gives those of all pods."""

    def __init__(
        self,
        services: Services,
        settings: NodeSettings,
        workers: Callable[[], Collection[PodWorker]],
        free_images: Callable[[], Awaitable[None]],
    ) -> None:
        self._services = services
        self._settings = settings
        self._workers = workers
        self._free_images = free_images
        self._seen_at: dict[str, float] = {}  # when each pressure was last there, by a clock that nobody sets
        self._measure_after: dict[str, float] = {}  # by uid
        self.holding: set[str] | None = None  # the pressures that the node shows; None: not looked yet

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for look in (self._enforce_limits, self._look_at_node):
                group.create_task(self._again_and_again(look))

    async def _again_and_again(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except Exception:
                logger.exception("cannot look at what pods take")
            await asyncio.sleep(self._settings.eviction_period)

    async def _look_at_node(self) -> None:
        readings = node_readings(self._services.paths.root)
        shortages = eviction.shortages(self._settings.thresholds, readings)
        await self._show(shortages)
        if shortages:
            await self._relieve(shortages[0])

    # Limits of pods.

    async def _enforce_limits(self) -> None:
        limited = [each for each in self._running() if eviction.limits_storage(each.pod)]
        now = time.monotonic()
        known = {each.pod.metadata.uid: self._measure_after.get(each.pod.metadata.uid, now) for each in limited}
        self._measure_after = known
        await asyncio.gather(*(self._enforce(each) for each in limited if known[each.pod.metadata.uid] <= now))

    async def _enforce(self, worker: PodWorker) -> None:
        begun = time.monotonic()
        use = await self._measured(worker)
        self._measure_after[worker.pod.metadata.uid] = time.monotonic() + SPARE * (time.monotonic() - begun)
        if excess := eviction.over_its_storage(use):
            worker.evict(excess.message)
            self._services.measures.evictions.add(excess.signal)

    def _running(self) -> list[PodWorker]:
        return [each for each in self._workers() if not each.life.final and not each.life.removing]

    async def _measured(self, worker: PodWorker) -> Use:
        def measure() -> Use:
            disk = pod_usage.disk(worker.pod, worker.life, worker.place)
            memory = pod_usage.containers(worker.life, worker.place, self._services.hierarchies)
            taken = {name: each.working_set for name, each in memory.items()}
            return Use(worker.pod, taken, disk.containers, disk.volumes, disk.inodes)

        return await own_thread.run(measure)

    # The node.

    async def _show(self, shortages: Collection[Shortage]) -> None:
        now = time.monotonic()
        for each in shortages:
            self._seen_at[eviction.PRESSURES[each.resource]] = now
        holding = eviction.pressures(shortages, self._seen_at, now, self._settings.pressure_transition)
        if holding == self.holding:
            return
        moment = times.rfc3339(time.time())

        def change(node: objects.Node) -> objects.Node:
            conditions = tuple(eviction.pressed(each, holding, moment) for each in node.status.conditions)
            spec = replace(node.spec, taints=eviction.taints(node.spec.taints, holding))
            return replace(node, spec=spec, status=replace(node.status, conditions=conditions))

        try:
            node = await self._services.store.update(objects.Node, "", self._services.host.name, change, durable=False)
        except errors.StoreError as error:
            logger.warning("cannot write down the state of the node: %s", error)
            return
        self._tell(node, holding)
        self.holding = holding

    def _tell(self, node: objects.Node, holding: set[str]) -> None:
        words = {
            "MemoryPressure": ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
            "DiskPressure": ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
        }
        before = self.holding or set()
        for name in sorted(holding ^ before):
            reason = words[name][name not in holding]
            text = f"Node {node.metadata.name} status is now: {reason}"
            self._services.recorder.record(node, "Normal", reason, text)

    async def _relieve(self, shortage: Shortage) -> None:
        """One pod at a time: what its end gives back is seen at the next look."""
        workers = {worker.pod.metadata.uid: worker for worker in self._running()}
        node = self._services.store.get(objects.Node, "", self._services.host.name)
        if node is not None:
            text = f"Attempting to reclaim {shortage.resource}"
            self._services.recorder.record(node, "Warning", "EvictionThresholdMet", text)
        if shortage.resource != eviction.MEMORY:
            await self._free_images()
            now = eviction.shortages(self._settings.thresholds, node_readings(self._services.paths.root))
            if shortage.resource not in {each.resource for each in now}:
                return
        if any(worker.life.final and worker.life.sandbox.state != "absent" for worker in self._workers()):
            return  # somebody is ending already
        uses = await asyncio.gather(*map(self._measured, workers.values()))
        chosen = eviction.victim(shortage, uses)
        if chosen is not None:
            workers[chosen.pod.metadata.uid].evict(eviction.message(shortage, chosen))
            self._services.measures.evictions.add(eviction.SIGNALS[shortage.resource])


def node_readings(root: Path) -> dict[str, Reading]:
    """By signal. Memory is available that is free, or holds file pages that are first to go."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    memory = {words[0].rstrip(":"): int(words[1]) << 10 for words in lines}
    disk = os.statvfs(root)
    return {
        "memory.available": Reading(memory["MemFree"] + memory["Inactive(file)"], memory["MemTotal"]),
        "nodefs.available": Reading(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize),
        "nodefs.inodesFree": Reading(disk.f_favail, disk.f_files),
    }
