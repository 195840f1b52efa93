"""What a pod's JSON says, in a few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Condition = Callable[[Json], bool]


def uid(pod: Json) -> str:
    return str(pod["metadata"]["uid"])


def phase(pod: Json) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def address(pod: Json) -> str:
    return str(pod["status"].get("podIP", ""))


def statuses(pod: Json) -> dict[str, Json]:
    """The status of each container, init containers included."""
    status = pod.get("status", {})
    found = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return {each["name"]: each for each in found}


def container(pod: Json, name: str = "main") -> Json:
    """Empty before the first status."""
    return statuses(pod).get(name, {})


def is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def has_ended(pod: Json) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_running(pod: Json, name: str = "main") -> bool:
    return "running" in container(pod, name).get("state", {})


def terminated(pod: Json, name: str = "main") -> Json:
    """How the container's newest run ended; empty when it has not."""
    return container(pod, name).get("state", {}).get("terminated") or {}


def waiting(pod: Json, name: str = "main") -> Json:
    return container(pod, name).get("state", {}).get("waiting") or {}


def last_terminated(pod: Json, name: str = "main") -> Json:
    """How the run before ended; empty when there was none."""
    return container(pod, name).get("lastState", {}).get("terminated") or {}


def restarts(pod: Json, name: str = "main") -> int:
    return int(container(pod, name).get("restartCount", 0))


def container_ids(pod: Json) -> dict[str, str]:
    """The 64 hex digits by name."""
    return {name: each.get("containerID", "").rpartition("/")[2] for name, each in statuses(pod).items()}


def has_crashed(pod: Json, name: str = "main", times: int = 1) -> bool:
    """At least so many runs of the container have ended."""
    ended = restarts(pod, name) + (0 if is_running(pod, name) else 1)
    return bool(terminated(pod, name) or last_terminated(pod, name)) and ended >= times
