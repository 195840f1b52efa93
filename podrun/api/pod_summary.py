"""A pod in one line, as `get pods` says it: READY, STATUS, RESTARTS (printPod in Kubernetes' printers.go)."""

from __future__ import annotations

from dataclasses import dataclass

from podrun.api import times
from podrun.api.objects import ContainerStateTerminated, ContainerStatus, Pod, is_sidecar


@dataclass(slots=True)
class PodSummary:
    """`total` counts regular containers and sidecars; `last_restart` is RFC 3339."""

    status: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def restarts_text(self, now: float) -> str:
        """`3 (20s ago)`; `now` is Unix time."""
        if not self.restarts or not self.last_restart:
            return str(self.restarts)
        ago = times.human_duration(now - times.unix_seconds(self.last_restart))
        return f"{self.restarts} ({ago} ago)"

    def count(self, status: ContainerStatus) -> None:
        """Add one container's restarts."""
        self.restarts += status.restart_count
        ended = status.last_state.terminated
        if ended and ended.finished_at:
            self.last_restart = max(self.last_restart, ended.finished_at)


def summarize(pod: Pod) -> PodSummary:
    """What the columns of `get pods` say of a pod."""
    sidecars = {container.name for container in pod.spec.init_containers if is_sidecar(container)}
    summary = PodSummary(_first_word(pod), len(pod.spec.containers) + len(sidecars))
    beside = PodSummary("", 0)  # restarts of sidecars alone, which count on after initialization
    initializing = _initialization(pod, sidecars, summary, beside)
    if not initializing or _condition(pod, "Initialized"):
        summary.restarts, summary.last_restart = beside.restarts, beside.last_restart
        _regular(pod, summary)
    if pod.metadata.deletion_timestamp is not None:
        if pod.status.reason == "NodeLost":
            summary.status = "Unknown"
        elif pod.status.phase not in ("Succeeded", "Failed"):
            summary.status = "Terminating"
    return summary


def _first_word(pod: Pod) -> str:
    gated = any(each.type == "PodScheduled" and each.reason == "SchedulingGated" for each in pod.status.conditions)
    return "SchedulingGated" if gated else pod.status.reason or pod.status.phase


def _initialization(pod: Pod, sidecars: set[str], summary: PodSummary, beside: PodSummary) -> bool:
    """Walks the init containers; True and a status `Init:...` where they are not through."""
    for index, status in enumerate(pod.status.init_container_statuses):
        summary.count(status)
        if status.name in sidecars:
            beside.count(status)
        ended, waiting = status.state.terminated, status.state.waiting
        if ended and ended.exit_code == 0:
            continue
        if status.name in sidecars and status.started:
            summary.ready += status.ready
            continue
        if ended:
            summary.status = f"Init:{_end(ended)}"
        elif waiting and waiting.reason not in ("", "PodInitializing"):
            summary.status = f"Init:{waiting.reason}"
        else:
            summary.status = f"Init:{index}/{len(pod.spec.init_containers)}"
        return True
    return False


def _regular(pod: Pod, summary: PodSummary) -> None:
    some_running = False
    for status in reversed(pod.status.container_statuses):
        summary.count(status)
        state = status.state
        if state.waiting and state.waiting.reason:
            summary.status = state.waiting.reason
        elif state.terminated:
            summary.status = _end(state.terminated)
        elif status.ready and state.running:
            some_running = True
            summary.ready += 1
    if summary.status == "Completed" and some_running:
        summary.status = "Running" if _condition(pod, "Ready") else "NotReady"


def _end(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _condition(pod: Pod, name: str) -> bool:
    return any(each.type == name and each.status == "True" for each in pod.status.conditions)
