"""The whole node: follows the wishes in the store, keeps one worker for each pod, adopts and sweeps at the start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.api import objects
from podrun.api.instruments import Histogram
from podrun.errors import PodrunError
from podrun.image.images import Image
from podrun.kubelet import lives, log_links, node_settings, own_thread, pod_ports, references, resources, trees
from podrun.kubelet.class_groups import ClassGroups
from podrun.kubelet.evictor import Evictor
from podrun.kubelet.image_collector import ImageCollector
from podrun.kubelet.lives import PodLife
from podrun.kubelet.pod_usage import ContainerFigures
from podrun.kubelet.pod_worker import PodWorker
from podrun.kubelet.resize_queue import ResizeQueue
from podrun.kubelet.scheduling_queue import SchedulingQueue
from podrun.kubelet.services import Services
from podrun.kubelet.taint_evictor import TaintEvictor
from podrun.store import WatchEvent
from podrun.volume import leftover_mounts

logger = logging.getLogger(__name__)

WORKER_RETRY = 5.0  # seconds
ADOPTION_LIMIT = 5.0  # seconds that the API waits for pods to be taken over


class Kubelet:
    """`run` until cancelled; pods run on after it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sweeping: list[asyncio.Task[None]] = []
        self.adopted = asyncio.Event()  # the pods of an earlier kubelet are in our hands
        self._placed: dict[str, objects.Pod] = {}  # by uid: who has not ended, with the resources that it holds
        self._classes = ClassGroups(services)
        self._resizes = ResizeQueue(services, self._workers)
        self._taints = TaintEvictor(services, self._placed.values)
        settings = node_settings.from_paths(services.paths)
        self._collector = ImageCollector(services, settings.images, self.users_of)
        self._evictor = Evictor(services, settings, self._workers.values, self._collector.free_all)
        self._queue = SchedulingQueue(services, self._start)

    async def run(self) -> None:
        pods, version = self._services.store.list(objects.Pod)
        known = self._lives(pods)
        await self._services.wiring.adopt(
            {
                uid: (life.sandbox.addresses, pod_ports.translated(pod.spec))
                for pod in pods
                if (life := known.get(uid := pod.metadata.uid)) is not None and life.sandbox.addresses
            }
        )
        await self._sweep({uid for pod in pods if (uid := pod.metadata.uid) in known or not _is_going(pod)})
        for pod in pods:
            self._bind(pod, known.get(pod.metadata.uid))
        await self._wait_for_workers()
        store = self._services.store
        tasks = [store.follow(objects.Pod, self._notice_pod, since=version)]
        tasks += [store.follow(kind, partial(self._notice_reference, kind), since=version) for kind in references.KINDS]
        tasks += [asyncio.create_task(self._queue.run()), asyncio.create_task(self._evictor.run())]
        tasks += [asyncio.create_task(self._taints.run()), asyncio.create_task(self._collector.run())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # one that failed ends the kubelet, for nobody would do its work
        finally:
            for task in (*tasks, *self._sweeping):
                task.cancel()
            await asyncio.gather(*tasks, *self._sweeping, return_exceptions=True)
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await asyncio.gather(*(worker.abandon() for worker in self._workers.values()))

    async def _wait_for_workers(self) -> None:
        """A pod whose processes do not die must not keep the others from being served."""
        waiting = [asyncio.create_task(worker.resumed.wait()) for worker in self._workers.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=ADOPTION_LIMIT)
            for task in late:
                task.cancel()
        self.adopted.set()

    def worker(self, pod: objects.Pod) -> PodWorker | None:
        return self._workers.get(pod.metadata.uid)

    def figures(self) -> dict[tuple[str, str], ContainerFigures]:
        """By uid and container, of all that run. Blocks."""
        return {
            (uid, name): figures
            for uid, worker in tuple(self._workers.items())
            for name, figures in worker.figures().items()
        }

    def probe_counts(self) -> dict[tuple[str, str, str, str], int]:
        """By uid, container, kind and result."""
        return {(uid, *key): count for uid, one in self._workers.items() for key, count in one.probe_counts().items()}

    def probe_durations(self) -> dict[tuple[str, str, str], Histogram]:
        """By uid, container and kind, of those that succeeded."""
        return {
            (uid, *key): one for uid, worker in self._workers.items() for key, one in worker.probe_durations().items()
        }

    @property
    def pod_count(self) -> int:
        return len(self._workers)

    def users_of(self, image: Image) -> list[str]:
        """Containers that run an image, or are about to: pod/container."""
        users = []
        for worker in tuple(self._workers.values()):  # on a thread of the disk
            meta = worker.pod.metadata
            for name, container in worker.life.containers.items():
                if container.image_id == image.id and (container.alive or not worker.life.final):
                    users.append(f"{meta.namespace}/{meta.name}/{name}")
            users += [f"{meta.namespace}/{meta.name}/{name}" for name in self._volumes_of(image, worker)]
        return users

    def _volumes_of(self, image: Image, worker: PodWorker) -> Iterator[str]:
        """Volumes of a pod that has not ended which show the image."""
        for volume in worker.pod.spec.volumes if not worker.life.final else ():
            if volume.image is not None:
                with contextlib.suppress(PodrunError):
                    found = self._services.images.find(volume.image.reference)
                    if found is not None and found.id == image.id:
                        yield volume.name

    def image_came(self, image: Image) -> None:
        """Tell all pods: some may have waited for it."""
        for worker in self._workers.values():
            worker.image_came(image.names)

    def _notice_pod(self, event: WatchEvent[objects.Pod] | None) -> None:
        if event is None:
            self._catch_up(self._services.store.list(objects.Pod)[0])
        elif event.type == "DELETED":
            self._forsake(event.object.metadata.uid)
        else:
            self._bind(event.object, None)

    def _notice_reference(self, kind: type[objects.Object], event: WatchEvent[objects.Object] | None) -> None:
        """What pods wait for, and what they see, may have changed."""
        changed = [event.object] if event is not None else self._services.store.list(kind)[0]
        for worker in self._workers.values():
            for each in changed:
                worker.tell_of_change(each)
        self._queue.look_again()

    def _catch_up(self, pods: list[objects.Pod]) -> None:
        for uid in self._workers.keys() - {pod.metadata.uid for pod in pods}:
            self._forsake(uid)
        for pod in pods:
            self._bind(pod, None)

    def _bind(self, pod: objects.Pod, life: PodLife | None) -> None:
        """Tell the pod's worker, or let the pod wait for one. One that asks for another node waits for ever."""
        uid = pod.metadata.uid
        if (worker := self._workers.get(uid)) is not None:
            if worker.concerns(pod):
                worker.sync(pod)
            self._place(pod)
        elif life is not None:
            self._start(pod, life)
        else:
            self._queue.put(pod)

    def _start(self, pod: objects.Pod, life: PodLife | None = None) -> None:
        self._workers[pod.metadata.uid] = PodWorker(self._services, pod, life)
        if life is None:
            self._services.measures.containers_per_pod.of().observe(len(pod.spec.containers))
        self._tasks[pod.metadata.uid] = asyncio.create_task(self._work(pod.metadata.uid))
        self._place(pod)

    def _place(self, pod: objects.Pod) -> None:
        """Look what the newest version of a pod takes of the node; where that changed, others may have more or less."""
        uid = pod.metadata.uid
        worker = self._workers.get(uid)
        before = self._placed.get(uid)
        now = None if worker is None or worker.life.ended else worker.as_allocated(pod)
        self._resizes.look_at(uid)
        if now is None and before is None:
            return
        if now is not None and before is not None and _takes_the_same(before, now):
            return
        if now is not None:
            self._placed[uid] = now
        else:
            del self._placed[uid]
        self._classes.count(uid, now)
        self._queue.place(uid, now)
        self._resizes.look_again()
        self._taints.look_again()

    async def _work(self, uid: str) -> None:
        """Until the pod is removed. A worker that fails is replaced by one that goes on with its life."""
        while True:
            worker = self._workers[uid]
            try:
                await worker.run()
                break
            except Exception:
                logger.exception("the worker of pod %s failed", worker.pod.metadata.name)
                await asyncio.sleep(WORKER_RETRY)
                try:
                    await worker.abandon()
                except Exception:
                    logger.exception("cannot let go of pod %s", worker.pod.metadata.name)
                self._workers[uid] = PodWorker(self._services, worker.pod, worker.life, is_noted=False)
        self._tasks.pop(uid, None)
        self._place(self._workers.pop(uid).pod)
        if not self._workers:
            self.remove_class_groups()

    def _forsake(self, uid: str) -> None:
        if (worker := self._workers.get(uid)) is not None:
            worker.forsake()
            self._place(worker.pod)

    def _lives(self, pods: list[objects.Pod]) -> dict[str, PodLife]:
        """What an earlier kubelet knew of these pods."""
        records = self._services.store.records()
        found = {}
        for pod in pods:
            record = records.get(pod.metadata.uid)
            if record is not None:
                try:
                    found[pod.metadata.uid] = lives.decode(record)
                except msgspec.MsgspecError as error:
                    logger.warning("cannot read the record of pod %s: %s", pod.metadata.name, error)
        return found

    # Sweeping: what the kernel and the disk hold without a wish that stands for it.

    async def _sweep(self, wanted: set[str]) -> None:
        for uid, group in self._pod_groups():
            if uid not in wanted:
                await self._end_group(group)
        loop = asyncio.get_running_loop()
        left = await loop.run_in_executor(self._services.disk, self._sweep_directories, wanted)
        self._sweeping = [asyncio.create_task(self._remove(*each)) for each in left.items()]
        for uid in set(self._services.store.records()) - wanted:
            await self._services.store.drop_record(uid)
        if not wanted:
            self.remove_class_groups()

    def _pod_groups(self) -> Iterator[tuple[str, Group]]:
        """The uid in the name of each group that stands for a pod or its shim."""
        parent = Group(self._services.cgroup_parent, self._services.hierarchies)
        for group in parent.child("shims").children():
            yield group.path.rpartition("/")[2], group
        for holder in (Group(f"{parent.path}{end}", parent.hierarchies) for end in resources.CLASS_GROUPS.values()):
            for group in holder.children():
                name = group.path.rpartition("/")[2]
                if name.startswith("pod"):
                    yield name.removeprefix("pod"), group

    async def _end_group(self, group: Group) -> None:
        with contextlib.suppress(CgroupError):
            for _ in range(1000):
                if not group.populated():
                    break
                group.kill()
                await asyncio.sleep(0.005)
            group.remove()

    def _sweep_directories(self, wanted: set[str]) -> dict[str, Path]:
        """By uid what is still to be removed, which may take very long: nobody waits for it."""
        paths, left = self._services.paths, {}
        for base in (paths.run_dir / "pods", paths.root / "pods"):
            for directory in list(base.iterdir()) if base.is_dir() else ():
                if directory.name not in wanted:
                    leftover_mounts.detach_below(directory)
                    if base == paths.run_dir / "pods":
                        trees.remove_own(directory)
                    elif (aside := trees.set_aside(directory)) is not None:
                        left[directory.name] = aside
                    for log_dir in (paths.log_dir / "pods").glob(f"*_{directory.name}"):
                        log_links.remove(paths.log_dir, log_dir)
                        trees.remove_own(log_dir)
        return left

    async def _remove(self, uid: str, aside: Path) -> None:
        await own_thread.run(partial(trees.remove_set_aside, aside))
        self._services.id_ranges.release(uid)

    def remove_class_groups(self) -> None:
        """The groups that only pods need go with the last pod."""
        self._resizes.close()
        self._classes.close()
        self._classes.remove()


def _is_going(pod: objects.Pod) -> bool:
    """Without a life, such a pod never gets a worker, so what an earlier kubelet began to make of it is swept."""
    return pod.metadata.deletion_timestamp is not None


def _takes_the_same(one: objects.Pod, other: objects.Pod) -> bool:
    """Whether two versions of a pod are alike for whoever shares the node with it: its status is its own affair."""
    a, b = one.metadata, other.metadata
    return (one.spec, a.labels, a.deletion_timestamp) == (other.spec, b.labels, b.deletion_timestamp)
