"""One pod's sandbox as it is made, found again and taken away: cgroups, shim, pause, network, managed files.

The steps only; when each is due is decided in pod_steps.py. Each step may be repeated after a crash at any point.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import (
    id_ranges,
    log_links,
    planner,
    pod_files,
    pod_names,
    pod_ports,
    resizing,
    resources,
    shims,
    trees,
)
from podrun.kubelet.places import PodPlace
from podrun.kubelet.resizing import Write
from podrun.kubelet.services import Services
from podrun.network.hosts import Names
from podrun.shim import journal
from podrun.shim.facts import Numbered, SandboxFailed, SandboxStarted
from podrun.shim.messages import Done, ForkShim, Hello, Leave, MakeSandbox, Welcome
from podrun.volume import leftover_mounts

logger = logging.getLogger(__name__)

DEATH_LIMIT = 20.0  # seconds in which killed processes must be gone
FIRST_LOOK, LAST_LOOK = 0.0005, 0.02  # seconds between two looks whether they are


class Sandbox:
    """The effects side of one pod's sandbox. `on_fact` and `on_lost` are called from the event loop."""

    def __init__(
        self,
        services: Services,
        place: PodPlace,
        on_fact: Callable[[Numbered], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._services = services
        self._place = place
        self._on_fact = on_fact
        self._on_lost = on_lost
        self.link: shims.Link | None = None
        self._shim_pid = 0
        self._changing = asyncio.Lock()  # a shim may die while its sandbox is made: leaving waits until that is over

    def names(self, pod: objects.Pod) -> Names:
        """PodrunError: the kernel can't take what the pod shall be called."""
        return pod_names.names(pod, self._services.host.name, self._services.cluster.domain)

    def hostname(self, pod: objects.Pod) -> str:
        return self.names(pod).kernel

    def write_hosts(self, pod: objects.Pod, addresses: tuple[str, ...]) -> None:
        """Before each start of a container. PodrunError, OSError."""
        pod_files.write_hosts(pod, self._place, addresses, self.names(pod))

    async def find(self, applied: int) -> bool:
        """Whether a shim of an earlier kubelet answers; its facts after `applied` are then on their way."""
        try:
            await self._connect(applied)
        except (OSError, PodrunError):
            return False
        return True

    async def _connect(self, applied: int) -> shims.Link:
        self.link, welcome = await shims.connect(self._place.shim_socket, applied, self._on_fact, self._lost)
        self._shim_pid = welcome.pid
        return self.link

    def held_root(self) -> str:
        """The root of the shim's mount namespace, where the volumes in memory are. PodrunError: the shim is gone."""
        if self.link is None or self.link.closed:
            raise shims.LinkClosed
        return f"/proc/{self._shim_pid}/root"

    async def confirm(self) -> None:
        """PodrunError: the shim is gone."""
        if self.link is None:
            raise shims.LinkClosed
        await self.link.ask(Hello(), Welcome)

    async def make(
        self, pod: objects.Pod, attempt: int, applied: int, fill_memory: Callable[[objects.Pod], Awaitable[None]]
    ) -> tuple[str, ...]:
        """Pause, holding the namespaces, with the network up: its addresses. PodrunError, OSError: nothing is left."""
        async with self._changing:
            try:
                addresses = await self._make(pod, attempt, applied)
                await fill_memory(pod)
                return addresses
            except BaseException:
                await self._leave(pod)
                raise

    async def _make(self, pod: objects.Pod, attempt: int, applied: int) -> tuple[str, ...]:
        place, services = self._place, self._services
        names = self.names(pod)
        addresses = () if pod.spec.host_network else services.wiring.expect(place.uid)
        place.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        id_ranges.keep(place.pod_dir, place.first_id)
        group = Group(place.cgroup, services.hierarchies)
        limits = resources.pod_limits(pod.spec, services.node)
        with services.measures.cgroup("create"):
            group.create()
            group.apply(dataclasses.replace(limits, pids_max=services.policy.pod_pids))
        link = self.link
        if link is None or link.closed:
            await services.fork_server.fork(
                ForkShim(place.uid, str(place.run_dir), place.shim_cgroup, services.boot_id, applied)
            )
            link = await self._connect(applied)
        plan = planner.sandbox_plan(pod, attempt, place, names.kernel, services.node)
        answer = await link.ask_any(MakeSandbox(plan))
        match answer:
            case SandboxStarted(pid=pid, netns=netns):
                pass
            case SandboxFailed(message=message):
                raise PodrunError(message)
            case _:
                raise PodrunError(f"unexpected answer from the shim: {answer}")
        if pod.spec.host_network:
            await self._write_etc(pod, (), names)
            return ()
        connecting = services.wiring.connect(place.uid, pid, netns, pod_ports.translated(pod.spec))
        # The files are written while the network thread works: the addresses are known before they are given.
        await asyncio.gather(connecting, self._write_etc(pod, addresses, names))
        return addresses

    async def _write_etc(self, pod: objects.Pod, addresses: tuple[str, ...], names: Names) -> None:
        for reason, message in pod_files.write_etc(pod, self._place, addresses, names, self._services.cluster):
            self._services.recorder.record(pod, "Warning", reason, message)

    def write_limits(self, steps: Sequence[Write], ids: Mapping[str, str]) -> None:
        """One after another; `ids` of running containers. PodrunError, OSError: not all were written. Blocks."""
        groups = [
            Group(
                self._place.cgroup if step.container is None else self._place.container_cgroup(ids[step.container]),
                self._services.hierarchies,
            )
            for step in steps
        ]
        for step, group in reversed(list(zip(steps, groups, strict=True))):
            if in_the_way := resizing.memory_in_the_way(step, group.stats().memory_usage):
                raise PodrunError(in_the_way)
        for step, group in zip(steps, groups, strict=True):
            group.apply(step.limits)

    async def leave(self, pod: objects.Pod) -> None:
        """Everything of the sandbox ends: what still runs, the shim, the link to the network, the cgroups."""
        async with self._changing:
            await self._leave(pod)

    async def _leave(self, pod: objects.Pod) -> None:
        link = self.link  # the attribute is taken away when the shim hangs up, which it may at any moment
        if link is not None and not link.closed:
            with contextlib.suppress(PodrunError, TimeoutError):
                await asyncio.wait_for(link.ask(Leave(), Done), DEATH_LIMIT)
            await link.close()
        self.link = None
        await self.kill_all()
        if not pod.spec.host_network:
            self._services.wiring.disconnect(self._place.uid)
        for path in (self._place.cgroup, self._place.shim_cgroup):
            await self._remove_group(path)

    async def kill_all(self) -> None:
        """SIGKILL to whatever is in the pod's cgroups, the shim included, until nothing is left."""
        for path in (self._place.shim_cgroup, self._place.cgroup):
            group = Group(path, self._services.hierarchies)
            deadline, pause = asyncio.get_running_loop().time() + DEATH_LIMIT, FIRST_LOOK
            while group.exists() and group.populated():
                group.kill()
                if asyncio.get_running_loop().time() > deadline:
                    raise PodrunError(f"cannot end the processes in {path}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_LOOK)

    async def _remove_group(self, path: str) -> None:
        group = Group(path, self._services.hierarchies)
        try:
            with self._services.measures.cgroup("destroy"):
                await asyncio.get_running_loop().run_in_executor(self._services.disk, group.remove)
        except CgroupError as error:
            logger.warning("%s", error)

    def last_facts(self, applied: int) -> tuple[Numbered, ...]:
        """What a dead shim still wrote to its journal, after `applied`."""
        try:
            return tuple(f for f in journal.read(str(self._place.journal), self._services.boot_id) if f.n > applied)
        except (OSError, journal.JournalError) as error:
            if getattr(error, "errno", None) != errno.ENOENT:
                logger.warning("cannot read journal of pod %s: %s", self._place.uid, error)
            return ()

    def remove_volumes(self) -> None:
        """Of a pod that has ended for good, while its logs stay: what it had on the disk is free again. Blocks."""
        leftover_mounts.detach_below(self._place.pod_dir)
        trees.remove_shaped(self._place.volumes)

    def remove_files(self) -> None:
        """The pod's directories: volumes, writable layers, journal, logs. Blocks."""
        log_links.remove(self._services.paths.log_dir, self._place.log_dir)
        leftover_mounts.detach_below(self._place.pod_dir)
        trees.remove_shaped(self._place.pod_dir)
        for directory in (self._place.log_dir, self._place.run_dir):
            trees.remove_own(directory)

    def _lost(self) -> None:
        self.link = None
        self._on_lost()
