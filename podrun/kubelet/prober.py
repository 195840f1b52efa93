"""Carries probes out: one timer for each that should be going, one task for each that is under way.

What is believed after each is decided in probe_life.py, what follows from that in pod_life.py.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.kubelet import execution, probe_life, probe_targets
from podrun.kubelet.probe_life import Key, Kind, Result, Wanted
from podrun.kubelet.probe_targets import ExecTarget, GrpcTarget, Target, TcpTarget
from podrun.probe import http, tcp
from podrun.probe.http_request import Request
from podrun.probe.outcomes import Errored, Outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """What is believed of a run has changed. Initially: readiness failure, liveness success, startup unknown."""

    container: str
    attempt: int
    kind: Kind
    result: Result
    text: str


@dataclass(frozen=True, slots=True)
class Outside:
    """What a prober needs of the world. All are called from the event loop."""

    on_verdict: Callable[[ProbeVerdict], None]
    on_event: Callable[[str, str, str], None]  # container, reason, message of a Warning
    run: execution.Run  # for exec probes
    kubelet_started_at: float  # seconds since the epoch
    on_outcome: Callable[[str, Kind, Outcome, float], None] = lambda *_: None  # container; and how many seconds it took


class Prober:
    """The probes of one pod."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._going: dict[Key, _Probe] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def sync(self, wanted: Iterable[Wanted]) -> None:
        """From now on these probes go, and no others. One that is new goes at once, unless it has an initial delay."""
        by_key = {one.key: one for one in wanted}
        for key in self._going.keys() - by_key.keys():
            self._stop(key)
        for key, one in by_key.items():
            if key not in self._going:
                self._going[key] = _Probe(one, self._outside)

    async def close(self) -> None:
        """Stop all, and wait until what they had under way is over."""
        self.sync(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _stop(self, key: Key) -> None:
        task = self._going.pop(key).stop()
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


class _Probe:
    def __init__(self, wanted: Wanted, outside: Outside) -> None:
        spec = probe_life.spec_of(wanted.container, wanted.kind)
        assert spec is not None, f"container {wanted.container.name} has no {wanted.kind} probe"
        self._spec = spec
        self._wanted = wanted
        self._outside = outside
        self._life = probe_life.born(wanted.kind, wanted.known)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._target: Target | None = None
        delay = probe_life.first_pause(
            spec, wanted.started_at, time.time(), outside.kubelet_started_at, random.random()
        )
        self._first = self._due = self._loop.time() + delay
        self._timer = self._loop.call_at(self._due, self._begin)

    def stop(self) -> asyncio.Task[None] | None:
        """The task that is still ending, if any."""
        self._timer.cancel()
        if self._task is None or self._task.done() or self._task is asyncio.current_task():
            return None
        self._task.cancel()
        return self._task

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._probe())
        self._task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error(
                "the %s probe of container %s ends", self._wanted.kind, self._wanted.container.name, exc_info=error
            )

    async def _probe(self) -> None:
        outcome: Outcome = Errored("")
        began = self._loop.time()
        for _ in range(probe_life.MOST_TRIES):
            outcome = await self._ask()
            if not isinstance(outcome, Errored):
                break
        now = self._loop.time()
        wanted = self._wanted
        self._outside.on_outcome(wanted.container.name, wanted.kind, outcome, now - began)
        self._life, verdict = probe_life.judged(self._spec, wanted.kind, self._life, outcome, now - self._first)
        if not self._life.holds:
            self._due = max(now, self._due + probe_life.pause(self._spec, self._life))
            self._timer = self._loop.call_at(self._due, self._begin)
        told = probe_life.event(wanted.kind, outcome)
        if told is not None and not self._life.looks:
            self._outside.on_event(wanted.container.name, *told)
        if verdict is not None:
            self._outside.on_verdict(
                ProbeVerdict(wanted.container.name, wanted.attempt, wanted.kind, verdict.result, verdict.text)
            )

    async def _ask(self) -> Outcome:
        try:
            if self._target is None:
                self._target = probe_targets.of_probe(self._spec, self._wanted.container, self._wanted.address)
            return await self._carry_out(self._target, float(self._spec.timeout_seconds))
        except (probe_targets.UnknownPort, PodrunError) as error:
            return Errored(str(error))
        except Exception as error:
            logger.exception("%s probe of container %s", self._wanted.kind, self._wanted.container.name)
            return Errored(f"{type(error).__name__}: {error}")

    async def _carry_out(self, target: Target, timeout: float) -> Outcome:
        match target:
            case Request():
                return await http.probe(target, timeout)
            case TcpTarget(host, port):
                return await tcp.probe(host, port, timeout)
            case ExecTarget(argv):
                return await execution.probe(self._outside.run, self._wanted.container.name, argv, timeout)
            case GrpcTarget(host, port, service):
                from podrun.probe import grpc  # HTTP/2 takes a while to import, and few pods need it

                return await grpc.probe(host, port, service, timeout)
