"""The pods that nothing has been started for: each is looked at again whenever that may help, in the order of creation.

What fits is handed on; what does not says so in its condition PodScheduled and in events, or has failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.kubelet import claims, recorder, scheduler
from podrun.kubelet.scheduler import Claim, Refusal, Situation
from podrun.kubelet.services import Services
from podrun.store import errors

logger = logging.getLogger(__name__)

REMINDER = 300.0  # seconds after which a pod that still does not fit is reported again, as kube-scheduler's flush
WRITE_RETRY = 2.0  # seconds


class SchedulingQueue:
    """`start` takes a pod that fits, and tells of its place. On the event loop."""

    def __init__(self, services: Services, start: Callable[[objects.Pod], None]) -> None:
        self._services = services
        self._start = start
        self._waiting: dict[str, Refusal | None] = {}  # by uid: what was last said of it
        self._claims: dict[str, Claim] = {}  # of the placed pods, by uid
        self._dirty = asyncio.Event()

    def put(self, pod: objects.Pod) -> None:
        """A pod that is new, or has changed."""
        self._waiting.setdefault(pod.metadata.uid, None)
        self._dirty.set()

    def place(self, uid: str, pod: objects.Pod | None) -> None:
        """A pod has this part of the node now; None: none any more."""
        if pod is not None:
            self._claims[uid] = scheduler.claim(pod)
        else:
            self._claims.pop(uid, None)
        self.look_again()

    def look_again(self) -> None:
        """Something happened that may have made room."""
        if self._waiting:
            self._dirty.set()

    async def run(self) -> None:
        """Until cancelled."""
        following = self._services.store.follow(objects.Node, lambda _: self.look_again())
        try:
            while True:
                try:
                    async with asyncio.timeout(REMINDER if self._waiting else None):
                        await self._dirty.wait()
                except TimeoutError:
                    self._waiting = dict.fromkeys(self._waiting)
                self._dirty.clear()
                await self._look()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _look(self) -> None:
        pods = [(uid, self._services.store.by_uid(uid)) for uid in self._waiting]
        for uid, _ in sorted(pods, key=_creation):
            pod = self._services.store.by_uid(uid)  # while the one before was written down, it may have changed or gone
            try:
                await self._consider(uid, pod)
            except Exception:
                logger.exception("cannot schedule pod %s", pod.metadata.name if pod else uid)

    async def _consider(self, uid: str, pod: objects.Object | None) -> None:
        if not isinstance(pod, objects.Pod):
            del self._waiting[uid]  # it was removed meanwhile
        elif pod.metadata.deletion_timestamp is not None:
            await self._remove(pod)
        elif pod.status.phase in ("Succeeded", "Failed"):
            del self._waiting[uid]  # rejected; it comes back to be removed
        elif pod.spec.node_name == self._services.host.name:
            await self._admit(pod)
        elif not pod.spec.node_name and scheduler.is_ours(pod):
            await self._schedule(pod)
        else:
            del self._waiting[uid]  # it waits for somebody else

    async def _schedule(self, pod: objects.Pod) -> None:
        store, now = self._services.store, time.time()
        refusal = claims.obstacle(store, pod, (each.pod for each in self._claims.values()))
        if refusal is not None and claims.will_be_bound(store, pod, refusal, now):
            asyncio.get_running_loop().call_later(claims.FRESH, self.look_again)
            return
        refusal = refusal or scheduler.obstacle(scheduler.claim(pod), self._situation())
        if refusal is None:
            self._hand_on(pod)
        elif refusal != self._waiting[pod.metadata.uid]:
            await self._say(pod, refusal)

    async def _admit(self, pod: objects.Pod) -> None:
        """A pod that named this node itself: it can't wait."""
        refusal = scheduler.rejection(scheduler.claim(pod), self._situation())
        if refusal is None:
            self._hand_on(pod)
            return
        self._services.recorder.record(pod, "Warning", refusal.reason, refusal.message)
        await self._write(pod, lambda old: replace(old, status=rejected(old.status, refusal, time.time())))

    def _hand_on(self, pod: objects.Pod) -> None:
        del self._waiting[pod.metadata.uid]
        self._start(pod)

    async def _say(self, pod: objects.Pod, refusal: Refusal) -> None:
        if refusal.reason == "Unschedulable":
            record = self._services.recorder.record
            record(pod, "Warning", "FailedScheduling", refusal.message, component=recorder.SCHEDULER)
        self._waiting[pod.metadata.uid] = refusal
        await self._write(pod, lambda old: replace(old, status=refused(old, refusal, time.time())))

    async def _write(self, pod: objects.Pod, change: Callable[[objects.Pod], objects.Pod]) -> None:
        meta = pod.metadata
        try:
            await self._services.store.update(
                objects.Pod, meta.namespace, meta.name, change, durable=False, uid=meta.uid
            )
        except (errors.NotFoundError, errors.ConflictError):
            self._waiting.pop(meta.uid, None)
        except errors.WriteFailedError as error:
            self._try_again_after(pod, error)

    async def _remove(self, pod: objects.Pod) -> None:
        """There is nothing to end."""
        meta = pod.metadata
        try:
            await self._services.store.delete(objects.Pod, meta.namespace, meta.name, uid=meta.uid)
        except errors.WriteFailedError as error:
            self._try_again_after(pod, error)
            return
        except errors.StoreError:
            pass
        self._waiting.pop(meta.uid, None)

    def _try_again_after(self, pod: objects.Pod, error: errors.WriteFailedError) -> None:
        logger.warning("cannot write down pod %s: %s", pod.metadata.name, error)
        self._waiting[pod.metadata.uid] = None
        asyncio.get_running_loop().call_later(WRITE_RETRY, self._dirty.set)

    def _situation(self) -> Situation:
        store = self._services.store
        return Situation(
            store.get(objects.Node, "", self._services.host.name),
            self._claims.values(),
            {each.metadata.name: each.metadata.labels for each in store.list(objects.Namespace)[0]},
        )


def _creation(entry: tuple[str, objects.Object | None]) -> str:
    """Of pods made in one second, the one that came first stays first: sorting is stable."""
    return (entry[1].metadata.creation_timestamp or "") if entry[1] else ""


def refused(pod: objects.Pod, refusal: Refusal, now: float) -> objects.PodStatus:
    """The status of a pod that waits for its place; `now` in seconds since the epoch."""
    before = next((each for each in pod.status.conditions if each.type == "PodScheduled"), None)
    kept = before.last_transition_time if before is not None and before.status == "False" else None
    condition = objects.PodCondition(
        type="PodScheduled",
        observed_generation=pod.metadata.generation,
        status="False",
        last_transition_time=kept or times.rfc3339(now),
        reason=refusal.reason,
        message=refusal.message,
    )
    others = tuple(each for each in pod.status.conditions if each.type != "PodScheduled")
    return replace(pod.status, phase="Pending", conditions=(*others, condition))


def rejected(status: objects.PodStatus, refusal: Refusal, now: float) -> objects.PodStatus:
    """The status of a pod that the kubelet does not take."""
    return replace(
        status,
        phase="Failed",
        reason=refusal.reason,
        message=f"Pod was rejected: {refusal.message}",
        start_time=status.start_time or times.rfc3339(now),
    )
