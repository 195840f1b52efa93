"""Pods that wish other resources than they have: each is told whether there is room, again whenever that may change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from podrun.api import objects
from podrun.kubelet import resizing, scheduler
from podrun.kubelet.happenings import ResizeJudged
from podrun.kubelet.pod_worker import PodWorker
from podrun.kubelet.services import Services


class ResizeQueue:
    """On the event loop. `workers` are those of all pods, by uid."""

    def __init__(self, services: Services, workers: Mapping[str, PodWorker]) -> None:
        self._services = services
        self._workers = workers
        self._wanting: set[str] = set()
        self._due: asyncio.Handle | None = None

    def look_at(self, uid: str) -> None:
        """A pod came, went, or its wish or what it holds may have changed."""
        worker = self._workers.get(uid)
        if worker is not None and resizing.wants_verdict(worker.pod, worker.life):
            self._wanting.add(uid)
            self.look_again()
        else:
            self._wanting.discard(uid)

    def look_again(self) -> None:
        """There may be more or less room than before."""
        if self._wanting and self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._look)

    def close(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _look(self) -> None:
        self._due = None
        wanting = [self._workers[uid] for uid in self._wanting & self._workers.keys()]
        wanting = [each for each in wanting if resizing.wants_verdict(each.pod, each.life)]
        node = self._services.store.get(objects.Node, "", self._services.host.name) if wanting else None
        if node is None:
            return
        placed = {uid: each.allocated_pod for uid, each in self._workers.items() if not each.life.ended}
        for worker in sorted(wanting, key=_order):
            uid = worker.pod.metadata.uid
            others = [scheduler.claim(pod) for other, pod in placed.items() if other != uid]
            refusal = resizing.verdict(worker.pod, node, others)
            if refusal is None:
                placed[uid] = worker.pod
            reason, message = (refusal.reason, refusal.message) if refusal else ("", "")
            generation, wish = worker.pod.metadata.generation, resizing.wished(worker.pod.spec)
            worker.judge_resize(ResizeJudged(generation, wish, reason, message))


def _order(worker: PodWorker) -> tuple[int, float]:
    """Who has priority comes first, then who is there longer."""
    return -(worker.pod.spec.priority or 0), worker.life.started_at
