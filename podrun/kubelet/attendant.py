"""Attends the running containers of one pod: its probes and its hooks, and what they found out told to the pod's life.

Which probes go and when a hook is due is decided in pod_steps.py and pod_life.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine

from podrun.api import objects
from podrun.api.instruments import Histogram
from podrun.kubelet import execution, hooks, pod_steps, prober
from podrun.kubelet.happenings import Emit, Happening, PostStartReturned, PreStopReturned, ProbeVerdict
from podrun.kubelet.lives import PodLife
from podrun.probe.outcomes import Failed, Outcome, Succeeded, Warned

logger = logging.getLogger(__name__)

_Key = tuple[str, int]


class Attendant:
    """`tell` and `emit` are called from the event loop. `host_address` is where pods in the host's network listen."""

    def __init__(
        self,
        tell: Callable[[Happening], None],
        emit: Callable[[Emit], None],
        run: execution.Run,
        *,
        host_address: str,
        kubelet_started_at: float,
    ) -> None:
        self._tell = tell
        self._emit = emit
        self._run_in = run
        self._host_address = host_address
        self._hooks: dict[_Key, set[asyncio.Task[None]]] = {}
        self.probe_counts: Counter[tuple[str, str, str]] = Counter()
        """By container, kind and result: successful, failed or unknown."""
        self.probe_durations: dict[tuple[str, str], Histogram] = {}
        """By container and kind, of those that succeeded."""
        outside = prober.Outside(self._judged, self._warned, run, kubelet_started_at, self._count)
        self._prober = prober.Prober(outside)

    def attend(self, pod: objects.Pod, life: PodLife) -> None:
        """From now on the probes go that should; hooks of runs that have ended end."""
        self._prober.sync(pod_steps.probes_wanted(pod, life, self._host_address))
        running = {(name, c.attempt) for name, c in life.containers.items() if c.state == "running"}
        for key in self._hooks.keys() - running:
            for task in self._hooks.pop(key):
                task.cancel()

    def post_start(self, pod: objects.Pod, life: PodLife, spec: objects.Container, attempt: int) -> None:
        handler = spec.lifecycle.post_start if spec.lifecycle else None
        assert handler is not None, "only containers with the hook get here"

        def returned(failure: str) -> Happening:
            return PostStartReturned(spec.name, attempt, failure)

        self._begin((spec.name, attempt), self._run(handler, self._place(pod, life, spec), returned))

    def pre_stop(self, pod: objects.Pod, life: PodLife, spec: objects.Container, attempt: int) -> None:
        handler = spec.lifecycle.pre_stop if spec.lifecycle else None
        assert handler is not None, "only containers with the hook get here"

        def returned(failure: str) -> Happening:
            return PreStopReturned(spec.name, attempt, failure)

        self._begin((spec.name, attempt), self._run(handler, self._place(pod, life, spec), returned))

    async def close(self) -> None:
        """No more probes and hooks; commands that they run in containers end."""
        tasks = [task for group in self._hooks.values() for task in group]
        self._hooks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._prober.close()

    def _begin(self, key: _Key, work: Coroutine[object, object, None]) -> None:
        self._hooks.setdefault(key, set()).add(asyncio.create_task(work))

    async def _run(
        self, handler: objects.LifecycleHandler, place: hooks.HookPlace, returned: Callable[[str], Happening]
    ) -> None:
        failure = ""
        try:
            await hooks.carry_out(handler, place, self._run_in, lambda reason, text: self._warned("", reason, text))
        except hooks.HookFailed as error:
            logger.warning("%s", error)
            failure = str(error)
        except Exception as error:  # else the container would wait for its hook for ever
            logger.exception("a hook of container %s", place.container.name)
            failure = f"{type(error).__name__}: {error}"
        self._tell(returned(failure))

    def _place(self, pod: objects.Pod, life: PodLife, spec: objects.Container) -> hooks.HookPlace:
        meta = pod.metadata
        address = pod_steps.address_of(pod, life, self._host_address)
        return hooks.HookPlace(spec, f"{meta.name}_{meta.namespace}({meta.uid})", address)

    def _count(self, container: str, kind: str, outcome: Outcome, seconds: float) -> None:
        match outcome:
            case Succeeded() | Warned():
                result = "successful"
                self.probe_durations.setdefault((container, kind), Histogram()).observe(seconds)
            case Failed():
                result = "failed"
            case _:
                result = "unknown"
        self.probe_counts[container, kind, result] += 1

    def _judged(self, verdict: prober.ProbeVerdict) -> None:
        self._tell(ProbeVerdict(verdict.container, verdict.attempt, verdict.kind, verdict.result == "success"))

    def _warned(self, container: str, reason: str, message: str) -> None:
        self._emit(Emit("Warning", reason, message, container))
