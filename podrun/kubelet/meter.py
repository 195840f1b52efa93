"""How much processor and memory containers and the machine take: two readings and the time between them.

Nothing is read until somebody asks; who asks again within a minute is answered from the last reading on.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from podrun.kubelet.pod_usage import ContainerFigures

SHORTEST, LONGEST = 1.0, 60.0  # seconds between two readings

Key = tuple[str, str]
"""Uid of the pod, name of the container."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`at` in seconds of time.monotonic(), `time` in Unix time."""

    at: float
    time: float
    machine: ContainerFigures
    containers: dict[Key, ContainerFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Use:
    """Nanocores over the window, bytes of working set."""

    cpu: int
    memory: int


@dataclass(frozen=True, slots=True)
class Usage:
    """`window` in seconds."""

    time: float
    window: float
    machine: Use
    containers: dict[Key, Use]


def usage(before: Reading, after: Reading) -> Usage:
    """Containers that were not there `before` count from nothing, as they began since."""
    window = max(after.at - before.at, 1e-9)

    def use(key: Key | None, now: ContainerFigures) -> Use:
        earlier = before.machine if key is None else before.containers.get(key)
        spent = now.cpu_usage_us - (earlier.cpu_usage_us if earlier else 0)
        return Use(max(round(spent * 1000 / window), 0), now.working_set)

    found = {key: use(key, now) for key, now in after.containers.items()}
    return Usage(after.time, window, use(None, after.machine), found)


class Meter:
    def __init__(self, read: Callable[[], dict[Key, ContainerFigures]]) -> None:
        """`read` gives the figures of all running containers; it may block."""
        self._read = read
        self._last: Reading | None = None
        self._asking = asyncio.Lock()

    async def usage(self) -> Usage:
        async with self._asking:
            before = self._last
            if before is None or not SHORTEST <= time.monotonic() - before.at <= LONGEST:
                before = await self.reading()
                await asyncio.sleep(SHORTEST)
            self._last = await self.reading()
            return usage(before, self._last)

    async def reading(self) -> Reading:
        """The figures as they are now."""
        return await asyncio.get_running_loop().run_in_executor(None, self._take)

    def _take(self) -> Reading:
        containers = self._read()
        return Reading(time.monotonic(), time.time(), machine_figures(), containers)


def machine_figures() -> ContainerFigures:
    """Of the whole machine: /proc/stat and /proc/meminfo, as the kubelet's root container."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = (ticks + [0] * 8)[:8]
    spent = (user + nice + system + irq + softirq + steal) * 1_000_000 // os.sysconf("SC_CLK_TCK")
    with open("/proc/meminfo") as file:
        memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
    used = memory["MemTotal"] - memory["MemFree"] - memory.get("Inactive(file)", 0)
    return ContainerFigures(spent, max(used, 0))
