"""Deletes pods that do not tolerate a NoExecute taint of the node, or not for longer (taint_eviction.py says which)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable

from podrun.api import objects
from podrun.kubelet import static_pods, taint_eviction
from podrun.kubelet.services import Services
from podrun.store import errors

logger = logging.getLogger(__name__)

COMPONENT = "taint-eviction-controller"
RETRY = 15.0  # seconds until what failed is tried again


class TaintEvictor:
    """`run` until cancelled. `placed` gives every pod that has not ended."""

    def __init__(self, services: Services, placed: Callable[[], Iterable[objects.Pod]]) -> None:
        self._services = services
        self._placed = placed
        self._since: dict[str, float] = {}  # by uid: when a pod that may not stay for ever was first seen
        self._dirty = asyncio.Event()

    def look_again(self) -> None:
        """A pod changed, came or went."""
        self._dirty.set()

    async def run(self) -> None:
        following = self._services.store.follow(objects.Node, lambda _: self.look_again())
        try:
            wait: float | None = 0.0
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._dirty.wait()
                self._dirty.clear()
                try:
                    wait = await self._look()
                except Exception:
                    logger.exception("cannot look for pods that do not tolerate the node's taints")
                    wait = RETRY
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _look(self) -> float | None:
        """Seconds until somebody's time is over."""
        node = self._services.store.get(objects.Node, "", self._services.host.name)
        taints = [each for each in node.spec.taints if each.effect == "NoExecute"] if node else []
        if not taints:
            self._since.clear()
            return None
        now, wait, since, doomed = time.monotonic(), math.inf, {}, []
        for pod in list(self._placed()):
            patience = taint_eviction.patience(pod, taints)
            if patience is None or pod.metadata.deletion_timestamp is not None:
                continue
            uid = pod.metadata.uid
            since[uid] = self._since.get(uid, now)
            left = since[uid] + patience - now
            if left <= 0:
                doomed.append(self._delete(pod))
            else:
                wait = min(wait, left)
        self._since = since
        if not all(await asyncio.gather(*doomed)):  # all at once: while one is written, another may come to tolerate it
            wait = min(wait, RETRY)
        return None if wait is math.inf else wait

    async def _delete(self, pod: objects.Pod) -> bool:
        """False: it could not be written down."""
        meta, now = pod.metadata, time.time()
        text = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
        self._services.recorder.record(pod, "Normal", "TaintManagerEviction", text, component=COMPONENT)

        def change(old: objects.Pod) -> objects.Pod:
            return (
                old if old.metadata.deletion_timestamp else static_pods.ending(taint_eviction.disrupted(old, now), now)
            )

        try:
            await self._services.store.update(objects.Pod, meta.namespace, meta.name, change, uid=meta.uid)
        except (errors.NotFoundError, errors.ConflictError):
            pass  # it is gone
        except errors.StoreError as error:
            logger.warning("cannot delete pod %s: %s", meta.name, error)
            return False
        return True
