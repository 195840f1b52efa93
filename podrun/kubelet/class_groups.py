"""Keeps the weights of the groups above the pods (burstable, besteffort) at what their pods ask for together.

What each gets is in resources.py (class_limits); this only writes what has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits
from podrun.api import objects
from podrun.kubelet import resources
from podrun.kubelet.services import Services

logger = logging.getLogger(__name__)

DELAY = 0.1  # seconds in which more pods may come and go before the groups are looked at


class ClassGroups:
    """On the event loop. `placed` gives the newest version of every pod that has not ended."""

    def __init__(self, services: Services, placed: Callable[[], Iterable[objects.Pod]]) -> None:
        self._services = services
        self._placed = placed
        self._written: dict[str, Limits] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look_again(self) -> None:
        """Pods came, went or were resized."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._update)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _update(self) -> None:
        self._timer = None
        wanted = resources.class_limits((pod.spec for pod in self._placed()), self._services.node)
        for end, limits in wanted.items():
            group = Group(f"{self._services.cgroup_parent}{end}", self._services.hierarchies)
            try:
                if self._written.get(end) != limits or not group.exists():
                    group.create()
                    group.apply(limits)
            except CgroupError as error:
                logger.warning("%s", error)
        self._written = wanted

    def remove(self) -> None:
        """The groups that only pods need go with the last pod."""
        self._written = {}
        for name in (*filter(None, resources.CLASS_GROUPS.values()), "/shims"):
            with contextlib.suppress(CgroupError):
                Group(f"{self._services.cgroup_parent}{name}", self._services.hierarchies).remove(timeout=0.0)
