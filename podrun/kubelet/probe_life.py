"""The life of one probe of one run: from what each probing found to what the kubelet believes. Pure.

Rules: pkg/kubelet/prober/worker.go. A new run has a new life; whether a probe should be going at all is told by
`wanted`, which holds the others back until the startup probe has succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec.structs import replace

from podrun.api import objects
from podrun.probe.outcomes import Errored, Failed, Outcome, Succeeded, Warned

Kind = Literal["startup", "liveness", "readiness"]
Result = Literal["unknown", "success", "failure"]

Key = tuple[str, int, Kind]
"""Container, attempt and kind: the identity of a probe."""

MOST_TRIES = 3  # within one probing, as long as the probe itself goes wrong
_FIRST_LOOK, _LOOKS = 0.02, 30  # seconds until the first early look; no more of them than this

_INITIAL: dict[Kind, Result] = {"startup": "unknown", "liveness": "success", "readiness": "failure"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A probe that should be going, of one run of a container. Container, attempt and kind are its identity."""

    container: objects.Container
    attempt: int
    kind: Kind
    started_at: float  # of the run, seconds since the epoch
    address: str  # the pod's
    known: Result | None = field(default=None, compare=False)  # what an earlier kubelet believed of this run

    @property
    def key(self) -> Key:
        return self.container.name, self.attempt, self.kind


class ProbeLife(msgspec.Struct, frozen=True):
    result: Result  # what the kubelet believes
    last: Result = "unknown"  # what the last probing found, and how often in a row
    streak: int = 0
    holds: bool = False  # liveness or startup failed: no more probing of this run
    looks: int = 0  # early looks that found nobody listening; they don't count


class Verdict(msgspec.Struct, frozen=True):
    """The kubelet has come to believe something else. `text` is what the last probing said."""

    result: Result
    text: str


def born(kind: Kind, known: Result | None = None) -> ProbeLife:
    """A run that was not probed yet. `known` is what an earlier kubelet came to believe of the same run."""
    return ProbeLife(known or _INITIAL[kind])


def judged(
    spec: objects.Probe, kind: Kind, life: ProbeLife, outcome: Outcome, elapsed: float
) -> tuple[ProbeLife, Verdict | None]:
    """The life after one probing, `elapsed` seconds after the first one began.

    A verdict is given when enough of the same came in a row to change what is believed.
    """
    if life.holds or isinstance(outcome, Errored):
        return life, None
    if is_early(spec, kind, life, outcome, elapsed):
        return replace(life, looks=life.looks + 1), None
    found: Result = "failure" if isinstance(outcome, Failed) else "success"
    streak = life.streak + 1 if found == life.last else 1
    counted = replace(life, last=found, streak=streak, looks=0)
    threshold = spec.failure_threshold if found == "failure" else spec.success_threshold
    if streak < threshold or found == life.result:
        return counted, None
    holds = found == "failure" and kind != "readiness"
    return replace(counted, result=found, holds=holds), Verdict(found, outcome.text)


def is_early(spec: objects.Probe, kind: Kind, life: ProbeLife, outcome: Outcome, elapsed: float) -> bool:
    """Whether nobody listens yet in a run that has only just begun, which is neither counted nor told.

    The kubelet's first probing comes at a chance moment of the first period and again with every sync. Looking often
    within that period instead makes a pod ready as soon as it is, and no server gets to see it.
    """
    if kind == "liveness" or life.last != "unknown" or life.result == "success":
        return False
    is_refused = isinstance(outcome, Failed) and outcome.nobody_listens
    return is_refused and elapsed < spec.period_seconds and life.looks < _LOOKS


def pause(spec: objects.Probe, life: ProbeLife) -> float:
    """Seconds from the begin of one probing to the next."""
    if life.looks:
        return min(_FIRST_LOOK * 2.0 ** (life.looks - 1), float(spec.period_seconds))
    return float(spec.period_seconds)


def first_pause(spec: objects.Probe, started_at: float, now: float, kubelet_started_at: float, chance: float) -> float:
    """Seconds until the first probing: none once initialDelaySeconds are over since the run started.

    A kubelet that has itself just begun, and took over a run, waits a random part of a period (`chance`, 0 to 1), lest
    all probes of the machine go at once. All other times are seconds since the epoch.
    """
    rest = max(0.0, started_at + spec.initial_delay_seconds - now)
    is_taken_over = started_at < kubelet_started_at
    if is_taken_over and now - kubelet_started_at < spec.period_seconds:
        return max(rest, chance * spec.period_seconds)
    return rest


def wanted(container: objects.Container, *, started: bool, deleting: bool) -> tuple[Kind, ...]:
    """The probes that should be going in a running container.

    `started`: its startup probe has succeeded. While the pod is deleted only readiness goes on.
    """
    if container.startup_probe is not None and not started:
        return () if deleting else ("startup",)
    kinds: tuple[Kind, ...] = ("readiness",) if container.readiness_probe is not None else ()
    if container.liveness_probe is not None and not deleting:
        kinds = ("liveness", *kinds)
    return kinds


def spec_of(container: objects.Container, kind: Kind) -> objects.Probe | None:
    match kind:
        case "startup":
            return container.startup_probe
        case "liveness":
            return container.liveness_probe
        case "readiness":
            return container.readiness_probe


def event(kind: Kind, outcome: Outcome) -> tuple[str, str] | None:
    """Reason and message of the Warning that Kubernetes shows for an outcome, if any."""
    name = kind.capitalize()
    match outcome:
        case Failed(text):
            return "Unhealthy", f"{name} probe failed: {text}"
        case Errored(text, state):
            return "Unhealthy", f"{name} probe errored and resulted in {state} state: {text}"
        case Warned(text):
            return "ProbeWarning", f"{name} probe warning: {text}"
        case Succeeded():
            return None
