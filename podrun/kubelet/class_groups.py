"""Keeps the weights of the groups above the pods (burstable, besteffort) at what their pods ask for together.

What each gets is in resources.py (class_limits); this only writes what has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.limits import Limits
from podrun.api import objects
from podrun.kubelet import resources
from podrun.kubelet.resources import Share
from podrun.kubelet.services import Services

logger = logging.getLogger(__name__)

DELAY = 0.1  # seconds in which more pods may come and go before the groups are looked at


class ClassGroups:
    """On the event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shares: dict[str, Share] = {}  # by the pod's uid
        self._written: dict[str, Limits] = {}
        self._timer: asyncio.TimerHandle | None = None

    def count(self, uid: str, pod: objects.Pod | None) -> None:
        """A pod came, with what it holds of the node, or was resized; None: it ended or went."""
        share = None if pod is None else resources.share(pod.spec)
        if share == self._shares.get(uid):
            return
        if share is None:
            del self._shares[uid]
        else:
            self._shares[uid] = share
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._update)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _update(self) -> None:
        self._timer = None
        wanted = resources.class_limits(self._shares.values(), self._services.node)
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
