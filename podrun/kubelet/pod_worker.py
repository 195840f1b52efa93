"""One per pod: takes what happens, asks pod_life what follows, carries it out, writes down where the pod stands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from functools import partial

from msgspec.structs import replace

from cgroups.group import Group
from podrun.api import objects
from podrun.api.instruments import Histogram
from podrun.errors import PodrunError, in_words
from podrun.image import snapshots
from podrun.kubelet import (
    app_armor,
    claims,
    execution,
    lives,
    node_policy,
    own_thread,
    places,
    planner,
    pod_files,
    pod_life,
    pod_steps,
    pod_usage,
    references,
    resizing,
    signals,
    status,
    volume_files,
    volumes,
)
from podrun.kubelet.anatomy import Sites
from podrun.kubelet.attendant import Attendant
from podrun.kubelet.container_images import ContainerImages
from podrun.kubelet.happenings import (
    AbandonImage,
    Effect,
    Emit,
    EnsureImage,
    Evicted,
    ForgetRun,
    Happening,
    ImageCame,
    KillRun,
    LaunchRefused,
    LaunchRun,
    LeaveSandbox,
    MakeSandbox,
    PrepareVolumes,
    ReferenceChanged,
    RemovePod,
    ResizeJudged,
    ResizeWritten,
    Resumed,
    RunPostStart,
    RunPreStop,
    SandboxLeft,
    SandboxReady,
    SandboxUnmade,
    ShimLost,
    ShimOutdated,
    SignalRun,
    Synced,
    VolumesFailed,
    VolumesReady,
    WriteResources,
)
from podrun.kubelet.launcher import ConfigError, Launcher
from podrun.kubelet.lives import ContainerLife, PodLife
from podrun.kubelet.pod_usage import ContainerFigures
from podrun.kubelet.sandbox import Sandbox
from podrun.kubelet.services import Services
from podrun.kubelet.shims import Link
from podrun.kubelet.start_measures import StartMeasures
from podrun.kubelet.written_volumes import WrittenVolumes
from podrun.shim import wire
from podrun.shim.facts import Exited, Numbered, Started, StartFailed
from podrun.shim.messages import Acknowledge, Kill, Launch, PrepareAttach, PrepareExec, Signal
from podrun.store import errors

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60.0  # seconds: who waits for a time of day looks again, for the clock may have been set meanwhile
RESUME_LIMIT = 20.0  # seconds that who wants into a pod waits for it to be taken over from an earlier kubelet
WRITE_RETRY = 2.0  # seconds until a status that the disk did not take is written again
FORCED_GRACE = 2  # seconds that the node still gives to a pod whose object is gone already


class PodWorker:
    """Owns one pod's life. Everything runs on the event loop; `pod` is its newest version.

    `is_noted`: the life that is adopted is the one in the store.
    """

    def __init__(self, services: Services, pod: objects.Pod, life: PodLife | None, *, is_noted: bool = True) -> None:
        self._services = services
        self.pod = pod
        self._adopted = life is not None
        self.life = life or pod_life.born(pod, time.time())
        self.place = places.place_of(pod, services.paths, services.cgroup_parent, services.id_ranges.first_id(pod))
        self._inbox: asyncio.Queue[Happening] = asyncio.Queue()
        self._sandbox = Sandbox(services, self.place, self._inbox.put_nowait, self._shim_hung_up)
        self._images = ContainerImages(services, self._emit)
        self._files = WrittenVolumes(services, self.place, self._sandbox, self._emit)
        self._launcher = Launcher(services, self.place, self._sandbox.held_root)
        self._attendant = Attendant(
            self._inbox.put_nowait,
            self._emit,
            self._run_in,
            host_address=services.host.addresses[0],
            kubelet_started_at=services.started_at,
        )
        self._effects: set[asyncio.Task[None]] = set()
        self._pulls: dict[str, asyncio.Task[None]] = {}  # the latest for each container
        self._written: tuple[PodLife, objects.PodStatus] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._sandbox_noted = asyncio.Event()  # the next kubelet would know of it, and of its addresses
        if self._adopted and is_noted:
            self._sandbox_noted.set()
        self._start_measures = StartMeasures(services.measures, adopted=self._adopted)
        self._turn = "sync" if self._adopted else "create"  # what the next turn is counted as
        self._acknowledged: tuple[Link, int] | None = None
        self._first_runs: asyncio.Task[None] | None = None
        self._removed = asyncio.Event()
        self.resumed = asyncio.Event()  # what an earlier kubelet left is taken over
        self._failure: Exception | None = None  # of an effect: its answer will never come

    # What others tell it.

    def concerns(self, pod: objects.Pod) -> bool:
        """Whether a changed object says anything new: a status that the worker wrote itself does not."""
        return pod.metadata.generation != self.pod.metadata.generation or _wish(pod) != _wish(self.pod)

    def sync(self, pod: objects.Pod) -> None:
        """The object changed."""
        self.pod = pod
        self._turn = "kill" if pod_steps.is_deleted(pod) else "update"
        self._files.follow(pod)
        self._inbox.put_nowait(Synced())

    def tell_of_change(self, changed: objects.Object) -> None:
        """An object that pods can refer to was made, changed or removed."""
        metadata = changed.metadata
        if metadata.namespace != self.pod.metadata.namespace:
            return
        if (type(changed).__name__, metadata.name) in references.of_pod(self.pod):
            self._files.follow(self.pod)
            self._inbox.put_nowait(ReferenceChanged())

    @property
    def allocated_pod(self) -> objects.Pod:
        """The pod with the resources that the kubelet has agreed to, which is what it holds of the node."""
        return self.as_allocated(self.pod)

    def as_allocated(self, pod: objects.Pod) -> objects.Pod:
        """The same of another version of the pod."""
        amounts = resizing.allocated(pod.spec, self.life)
        return pod if amounts == resizing.wished(pod.spec) else resizing.with_amounts(pod, amounts)

    def evict(self, message: str) -> None:
        self._inbox.put_nowait(Evicted(message))

    def judge_resize(self, verdict: ResizeJudged) -> None:
        resize = self.life.resize
        known = (resize.generation, resize.pending, resize.message)
        if (verdict.generation, verdict.reason, verdict.message) != known or not verdict.reason:
            self._inbox.put_nowait(verdict)

    def image_came(self, names: tuple[str, ...]) -> None:
        """Somebody brought an image with these full references."""
        self._inbox.put_nowait(ImageCame(names))

    def forsake(self) -> None:
        """The object is gone from the store, by force: what is left of the pod ends quickly."""
        if self.pod.metadata.deletion_grace_period_seconds != FORCED_GRACE:
            metadata = replace(
                self.pod.metadata,
                deletion_timestamp=self.pod.metadata.deletion_timestamp or self.pod.metadata.creation_timestamp,
                deletion_grace_period_seconds=FORCED_GRACE,
            )
            self.sync(replace(self.pod, metadata=metadata))

    async def abandon(self) -> None:
        """Let go of everything, so that another worker can take over."""
        for task in tuple(self._effects):
            task.cancel()
        await asyncio.gather(*self._effects, return_exceptions=True)
        await self._attendant.close()
        await self._files.close()
        if self._sandbox.link is not None:
            await self._sandbox.link.close()

    async def prepare_exec(self, container: str, argv: tuple[str, ...], streams: planner.Streams) -> tuple[str, str]:
        """Socket and one-time token with which a client runs a process in a running container. PodrunError."""
        with self._services.measures.operation("exec"):
            return await self._prepare_exec(container, argv, streams)

    async def _prepare_exec(self, container: str, argv: tuple[str, ...], streams: planner.Streams) -> tuple[str, str]:
        await self._taken_over()
        life, link = self._running(container)
        hostname = self._sandbox.hostname(self.pod)
        spec = self._spec(container)
        plan = self._launcher.exec_plan(
            self.pod,
            spec,
            life.attempt,
            life.id,
            argv,
            streams,
            hostname,
            self.life.sandbox.addresses,
        )
        token = secrets.token_hex(16)
        await link.ask(PrepareExec(token, plan), object)
        return str(self.place.shim_socket), token

    async def prepare_attach(self, container: str, streams: planner.Streams) -> tuple[str, str]:
        """Socket and one-time token with which a client holds streams of the main program. PodrunError."""
        await self._taken_over()
        life, link = self._running(container)
        token = secrets.token_hex(16)
        wanted = PrepareAttach(
            token, container, life.attempt, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr
        )
        with self._services.measures.operation("attach"):
            await link.ask(wanted, object)
        return str(self.place.shim_socket), token

    async def _taken_over(self) -> None:
        """The kubelet answers before it has taken over every pod, where that takes long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESUME_LIMIT):
                await self.resumed.wait()

    def _running(self, container: str) -> tuple[ContainerLife, Link]:
        """PodrunError: it does not run."""
        life = self.life.containers.get(container)
        if life is None or life.state != "running" or self._sandbox.link is None:
            raise PodrunError(f'container not found ("{container}")')
        return life, self._sandbox.link

    async def _run_in(self, container: str, argv: tuple[str, ...]) -> execution.Finished:
        """A command of the kubelet's own. Raises NotRun."""

        async def prepare(container: str, argv: tuple[str, ...]) -> tuple[str, str]:
            return await self._prepare_exec(container, argv, planner.Streams())

        with self._services.measures.operation("exec_sync") as failed:
            finished = await execution.run(prepare, container, argv)
            if finished.code != 0:
                failed()
            return finished

    def sites(self) -> Sites:
        """Where the parts of the pod are, for who looks into it."""

        def group(path: str) -> Group:
            return Group(path, self._services.hierarchies)

        place, lives_ = self.place, self.life.containers.items()
        running = {name: group(place.container_cgroup(life.id)) for name, life in lives_ if life.state == "running"}
        return Sites(
            pod=group(place.cgroup),
            pause=group(place.pause_cgroup),
            shim=group(place.shim_cgroup),
            containers=running,
            bridge=self._services.paths.bridge,
        )

    def pause_group(self) -> Group:
        return Group(self.place.pause_cgroup, self._services.hierarchies)

    def figures(self) -> dict[str, ContainerFigures]:
        """Of the running containers. Blocks."""
        return pod_usage.containers(self.life, self.place, self._services.hierarchies)

    def probe_counts(self) -> Counter[tuple[str, str, str]]:
        """By container, kind and result."""
        return self._attendant.probe_counts

    def probe_durations(self) -> Mapping[tuple[str, str], Histogram]:
        """By container and kind, of those that succeeded."""
        return self._attendant.probe_durations

    def container_group(self, container: str) -> Group:
        """PodrunError: it does not run."""
        life, _ = self._running(container)
        return Group(self.place.container_cgroup(life.id), self._services.hierarchies)

    # The loop.

    async def run(self) -> None:
        """Until the pod is removed, or the task is cancelled: then everything in the pod runs on."""
        try:
            await self._live()
        finally:
            await self._attendant.close()
            await self._files.close()

    async def _live(self) -> None:
        measures = self._services.measures
        if self._adopted:
            await self._resume()
        else:
            self._start_measures.begun()
            self._begin()
        self.resumed.set()
        wake_at: float | None = 0.0
        while not self._removed.is_set():
            events = await self._next_events(wake_at)
            began, turn, self._turn = time.monotonic(), self._turn, "sync"
            for event in events:
                self._observe(event)
            if self._failure is not None:
                raise self._failure
            now = time.time()
            decision = pod_steps.decide(self.pod, self.life, now)
            self.life, wake_at = decision.life, decision.wake_at
            for effect in decision.effects:
                if isinstance(effect, Emit):  # heard with the status that it tells of, or before
                    self._start(effect)
            self._write_down(now)
            for effect in decision.effects:
                if not isinstance(effect, Emit):
                    self._start(effect)
            self._attendant.attend(self.pod, self.life)
            measures.pod_worker.of(turn).observe(time.monotonic() - began)

    def _begin(self) -> None:
        if not self.pod.spec.node_name:
            self._emit(Emit("Normal", "Scheduled", self._scheduled()), component="default-scheduler")
        rejection = node_policy.rejection(self.pod, self._services.policy, app_armor.refusal(self.pod))
        if rejection is not None:
            self.life, effect = pod_life.rejected(self.life, rejection.reason, rejection.message)
            self._start(effect)

    async def _next_events(self, wake_at: float | None) -> list[Happening]:
        """All that waits; when nothing does, the next thing that happens or the moment `wake_at`."""
        events: list[Happening] = []
        if self._inbox.empty():
            delay = None if wake_at is None else min(max(0.0, wake_at - time.time()), LONGEST_WAIT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    events.append(await self._inbox.get())
        while not self._inbox.empty():
            events.append(self._inbox.get_nowait())
        return events

    async def _resume(self) -> None:
        """Take the pod over from an earlier kubelet: facts first, then what was left half done."""
        connected = await self._sandbox.find(self.life.applied)
        if not connected and self.life.sandbox.state in ("making", "ready", "broken", "leaving"):
            await self._mourn()
        self._observe(Resumed(connected))
        if connected:
            self._files.follow(self.pod)
            await self._catch_up()
        for effect in pod_life.unfinished(self.life):
            self._start(effect)

    async def _catch_up(self) -> None:
        """Facts arrive in order on the link: after an answered question, those from before it are in the inbox."""
        link = self._sandbox.link
        if link is not None:
            with contextlib.suppress(PodrunError):
                await link.ask_any(Acknowledge(self.life.applied))
        while not self._inbox.empty():
            self._observe(self._inbox.get_nowait())

    def _shim_hung_up(self) -> None:
        if not self.life.removing and self.life.sandbox.state != "leaving":
            self._spawn(self._mourn())

    async def _mourn(self) -> None:
        """The shim is dead: its pod dies with it, and its journal has the last word."""
        await self._sandbox.kill_all()
        for fact in self._sandbox.last_facts(self.life.applied):
            self._inbox.put_nowait(fact)
        self._inbox.put_nowait(ShimLost())

    def _observe(self, event: Happening) -> None:
        words = ""
        if isinstance(event, Numbered) and isinstance(event.fact, Exited):
            words = self._last_words(event.fact)
        self._start_measures.happened(self.pod, event)
        self.life, effects = pod_life.observe(self.pod, self.life, event, time.time(), words)
        for effect in effects:
            self._start(effect)

    def _last_words(self, fact: Exited) -> str:
        spec = self._spec(fact.container)
        return pod_files.termination_message(self.place, self.pod.spec, spec, fact.attempt, failed=fact.code != 0)

    # Writing down.

    def _write_down(self, now: float) -> None:
        """Status and life go to the store together, one write at a time; what changes meanwhile goes with the next."""
        if self._writing is None or self._writing.done():
            shown = status.pod_status(self.pod, self.life, self._services.host, now)
            if (self.life, shown) != self._written:
                self._writing = asyncio.create_task(self._guarded(self._write(self.pod, self.life, shown)))

    async def _write(self, pod: objects.Pod, life: PodLife, shown: objects.PodStatus) -> None:
        """`shown` is what `pod` and `life` look like."""
        meta, node, began = pod.metadata, self._services.host.name, time.monotonic()
        has_changed = False
        try:
            stored = await self._services.store.update(
                objects.Pod,
                meta.namespace,
                meta.name,
                lambda old: replace(
                    old,
                    spec=old.spec if old.spec.node_name == node else replace(old.spec, node_name=node),
                    status=status.with_conditions_of_others(shown, old.status),
                ),
                durable=False,
                uid=meta.uid,
                record=lives.encode(life),
            )
            has_changed = self.pod is not pod
            if int(stored.metadata.resource_version) > int(self.pod.metadata.resource_version):
                self.pod = replace(self.pod, status=stored.status)  # else it holds that, and what others wrote since
        except (errors.NotFoundError, errors.ConflictError):
            pass  # removed by force; what is left of the pod needs no status
        except errors.WriteFailedError as error:
            logger.warning("cannot write down pod %s: %s", meta.name, error)
            if pod_life.has_made(life, self.life.sandbox.attempt):
                self._sandbox_noted.set()  # a full disk holds nobody up
            await asyncio.sleep(WRITE_RETRY)
            self._inbox.put_nowait(Synced())
            return
        self._services.measures.status_sync.of().observe(time.monotonic() - began)
        self._start_measures.shown(self.pod, shown)
        self._written = (life, shown)
        if pod_life.has_made(life, self.life.sandbox.attempt):
            self._sandbox_noted.set()
        self._acknowledge(life.applied)
        if life is not self.life or has_changed:
            self._inbox.put_nowait(Synced())

    def _acknowledge(self, applied: int) -> None:
        """Each fact once: most of what is written has nothing to do with any, and would wake the shim for nothing."""
        link = self._sandbox.link
        if link is not None and self._acknowledged != (link, applied):
            link.tell(Acknowledge(applied))
            self._acknowledged = link, applied

    # Carrying out.

    def _start(self, effect: Effect) -> None:
        match effect:
            case Emit():
                self._emit(effect)
            case EnsureImage(container):
                self._start_measures.starting(self.pod, container)
                self._pulls[container] = self._spawn(self._ensure_image(container))
            case AbandonImage(container):
                self._pulls[container].cancel()
            case ForgetRun(container, attempt):
                self._spawn(self._forget(container, attempt))
            case PrepareVolumes():
                self._spawn(self._prepare_volumes())
            case MakeSandbox(attempt):
                self._sandbox_noted.clear()
                self._spawn(self._make_sandbox(attempt))
                if attempt == 0:
                    self._first_runs = self._spawn(self._prepare_first_runs())
            case LeaveSandbox():
                self._spawn(self._leave_sandbox())
            case LaunchRun(container, attempt):
                self._spawn(self._launch(container, attempt))
            case RunPostStart(container, attempt):
                self._attendant.post_start(self.pod, self.life, self._spec(container), attempt)
            case RunPreStop(container, attempt):
                self._attendant.pre_stop(self.pod, self.life, self._spec(container), attempt)
            case SignalRun(container, attempt):
                self._tell(Signal(container, attempt, self._stop_signal(container)))
            case KillRun(container, attempt):
                self._tell(Kill(container, attempt))
            case WriteResources(before, amounts):
                self._spawn(self._write_resources(before, amounts))
            case RemovePod():
                self._spawn(self._remove())

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(work))
        self._effects.add(task)
        task.add_done_callback(self._effects.discard)
        return task

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as error:
            self._failure = error
            self._inbox.put_nowait(Synced())

    def _tell(self, request: Signal | Kill) -> None:
        if self._sandbox.link is not None:
            self._sandbox.link.tell(request)

    def _emit(self, event: Emit, component: str = "kubelet") -> None:
        self._services.recorder.record(
            self.pod, event.type, event.reason, event.message, event.container, component=component
        )

    def _scheduled(self) -> str:
        meta = self.pod.metadata
        return f"Successfully assigned {meta.namespace}/{meta.name} to {self._services.host.name}"

    async def _forget(self, container: str, attempt: int) -> None:
        self._launcher.forget(container, attempt)
        with self._services.measures.operation("remove_container"):
            await own_thread.run(partial(snapshots.remove, self.place.pod_dir, container, attempt))

    async def _prepare_volumes(self) -> None:
        try:
            if self.pod.spec.volumes:
                claimed = claims.directories(self._services.store, self.pod)
                memory = self._services.node.memory
                await own_thread.run(partial(volumes.prepare, self.pod, self.place, memory, claimed))
                await self._files.files(self.pod)  # what is missing is missed before there is a sandbox
        except (PodrunError, OSError) as error:
            self._inbox.put_nowait(VolumesFailed(in_words(error)))
        else:
            self._inbox.put_nowait(VolumesReady())

    async def _make_sandbox(self, attempt: int) -> None:
        measures = self._services.measures
        measures.started_pods.add()
        try:
            with measures.operation("run_podsandbox"):
                addresses = await self._sandbox.make(self.allocated_pod, attempt, self.life.applied, self._files.write)
        except (PodrunError, OSError) as error:
            if not pod_steps.is_deleted(self.pod):
                measures.started_pods_errors.add()
            self._inbox.put_nowait(SandboxUnmade(attempt, in_words(error)))
        else:
            self._inbox.put_nowait(SandboxReady(attempt, addresses))

    async def _prepare_first_runs(self) -> None:
        """While fork server and shim make the sandbox. What goes wrong here is told when the run is launched."""
        spec = self.pod.spec
        images = self._launcher.images_at_hand(spec.init_containers[:1] or spec.containers)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.run_in_executor(self._services.disk, self._launcher.prepare_first_runs, images)

    async def _first_runs_prepared(self) -> None:
        if self._first_runs is not None:
            await asyncio.wait((self._first_runs,))
            self._first_runs = None

    async def _leave_sandbox(self) -> None:
        with self._services.measures.operation("stop_podsandbox"):
            await self._sandbox.leave(self.pod)
        if self.life.final:
            await own_thread.run(self._sandbox.remove_volumes)
        self._inbox.put_nowait(SandboxLeft())

    async def _ensure_image(self, container: str) -> None:
        self._inbox.put_nowait(await self._images.ensure_all(self.pod, self._spec(container)))

    async def _write_resources(self, before: resizing.Amounts, amounts: resizing.Amounts) -> None:
        """Memory that is given up may have to be written to disk first: not on the event loop."""
        runs = resizing.runs(self.life)
        steps = resizing.writes(self.pod, before, amounts, runs, self._services.node)
        loop, measures = asyncio.get_running_loop(), self._services.measures
        try:
            with measures.operation("update_container"), measures.cgroup("update"):
                await loop.run_in_executor(self._services.disk, self._sandbox.write_limits, steps, runs)
        except (PodrunError, OSError) as error:
            self._inbox.put_nowait(ResizeWritten({}, runs, in_words(error)))
        else:
            self._inbox.put_nowait(ResizeWritten(amounts, runs))

    async def _launch(self, container: str, attempt: int) -> None:
        pod, measures = self.allocated_pod, self._services.measures
        spec = pod_life.spec_of(pod, container)
        link = self._sandbox.link
        if link is None:
            return  # the shim is lost, and so is this run: that happening is on its way
        await self._first_runs_prepared()
        try:
            with measures.operation("create_container"):
                self._sandbox.write_hosts(self.pod, self.life.sandbox.addresses)
                hostname, addresses = self._sandbox.hostname(self.pod), self.life.sandbox.addresses
                plan = self._launcher.launch_plan(pod, spec, attempt, hostname, addresses)
        except (PodrunError, OSError) as error:
            reason = "CreateContainerConfigError" if isinstance(error, ConfigError) else "CreateContainerError"
            self._inbox.put_nowait(LaunchRefused(container, attempt, reason, in_words(error)))
            return
        await self._sandbox_noted.wait()
        try:
            with measures.operation("start_container") as failed:
                answer = await link.ask_any(Launch(plan))
                if not isinstance(answer, Started):
                    failed()
        except PodrunError:
            return  # the link broke: ShimLost follows
        if not isinstance(answer, (Started, StartFailed)):
            reason = getattr(answer, "message", str(answer))
            if wire.is_news_to_it(reason):
                self._inbox.put_nowait(ShimOutdated(container, attempt))
                return
            self._inbox.put_nowait(LaunchRefused(container, attempt, "CreateContainerError", reason))

    async def _remove(self) -> None:
        """The last effect: nothing of the pod stays but what others made."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._sandbox.kill_all()
        await self._first_runs_prepared()
        await own_thread.run(self._sandbox.remove_files)
        self._services.id_ranges.release(self.place.uid)
        meta = self.pod.metadata
        while not self._removed.is_set():
            try:
                await self._services.store.delete(
                    objects.Pod, meta.namespace, meta.name, uid=meta.uid, drop_record=True
                )
            except (errors.NotFoundError, errors.ConflictError):
                await self._services.store.drop_record(meta.uid)
            except errors.WriteFailedError as error:
                logger.warning("cannot remove pod %s from the store: %s", meta.name, error)
                await asyncio.sleep(WRITE_RETRY)
                continue
            self._removed.set()
            self._inbox.put_nowait(Synced())

    # Looking things up.

    def _spec(self, container: str) -> objects.Container:
        spec = self.pod.spec
        return next(c for c in objects.every_container(spec) if c.name == container)

    def _stop_signal(self, container: str) -> int:
        """The pod's own, else the image's, else SIGTERM."""
        spec = self._spec(container)
        own = spec.lifecycle.stop_signal if spec.lifecycle else None
        try:
            return signals.number(own or self._launcher.image(spec).config.stop_signal)
        except PodrunError:
            return signals.DEFAULT


def _wish(pod: objects.Pod) -> tuple[object, ...]:
    """What an object asks for. Labels and annotations ask for nothing, unless a volume shows them; conditions of others
    open readiness gates."""
    meta = pod.metadata
    conditions = status.conditions_of_others(pod.status)
    shown = (meta.labels, meta.annotations) if volume_files.shows_metadata(pod.spec) else ()
    spec = replace(pod.spec, node_name="")
    return spec, meta.deletion_timestamp, meta.deletion_grace_period_seconds, conditions, shown
