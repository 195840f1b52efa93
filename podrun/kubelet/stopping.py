"""How a run is ended: preStop hook, its turn, stop signal, SIGKILL, all out of one grace period. Pure; seconds.

Rules: pkg/kubelet/kuberuntime (killContainer, terminationOrdering), KEP-753 for sidecars.
"""

from __future__ import annotations

from msgspec.structs import replace

from podrun.kubelet.lives import Stop, StopStage

LEAST = 2.0  # between stop signal and SIGKILL, whatever is left of the grace period


def advanced(
    stop: Stop, now: float, grace: float, *, has_hook: bool, is_its_turn: bool
) -> tuple[Stop, tuple[StopStage, ...]]:
    """As far as the time allows, and the stages entered on the way. A later, shorter grace period counts."""
    stop = replace(stop, grace=min(stop.grace, grace))
    if (set_back := stop.entered_at - now) > 0:  # the clock: what is left of the grace period stays the same
        stop = replace(stop, since=stop.since - set_back, entered_at=now)
    entered: list[StopStage] = []
    while (stage := _next_stage(stop, now, has_hook=has_hook, is_its_turn=is_its_turn)) is not None:
        took = int(now - stop.entered_at) if stop.stage in ("hook", "turn") else 0
        stop = replace(stop, stage=stage, entered_at=now, spent=stop.spent + took)
        entered.append(stage)
    return stop, tuple(entered)


def _next_stage(stop: Stop, now: float, *, has_hook: bool, is_its_turn: bool) -> StopStage | None:
    over = now >= deadline(stop)
    match stop.stage:
        case "asked":
            return "hook" if has_hook and stop.grace > 0 else "turn"  # no grace leaves no time for a hook
        case "hook":
            return "turn" if stop.hook_done or over else None
        case "turn":
            return "signal" if is_its_turn or over else None
        case "signal":
            return "kill" if over else None
        case "kill":
            return None


def deadline(stop: Stop) -> float:
    """When the present stage ends at the latest."""
    if stop.stage == "signal":
        return stop.entered_at + max(stop.grace - stop.spent, LEAST)
    return stop.since + stop.grace
