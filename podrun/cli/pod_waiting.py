"""Waiting for one pod: until its changing object is as it is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from podrun.cli import readiness, resources, watching
from podrun.cli.client import RECONNECTING, Client
from podrun.cli.failures import not_found
from podrun.errors import PodrunError

Pod = dict[str, Any]
ENDED = ("Succeeded", "Failed")


def phase(pod: Pod) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def is_up(pod: Pod) -> bool:
    """Running and ready, or through; PodrunError: what it lacks nothing on this machine will bring."""
    if phase(pod) in ENDED:
        return True
    status = pod.get("status") or {}
    for one in status.get("containerStatuses") or []:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in readiness.HOPELESS:
            raise PodrunError(
                f"pod {pod['metadata']['name']} can't start: {waiting['reason']}: {waiting.get('message')}"
            )
    conditions = status.get("conditions") or []
    return phase(pod) == "Running" and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def wait_for(client: Client, pod: Pod, is_so: Callable[[Pod], bool], timeout: float) -> Pod:
    """The pod as soon as `is_so`. PodrunError: not within `timeout` seconds (0: ever), or it is gone."""
    deadline = time.monotonic() + timeout if timeout > 0 else None
    meta = pod["metadata"]
    try:
        while True:
            found = _look(client, meta["namespace"], meta["name"], meta["uid"], is_so, deadline)
            if found is not None:
                return found
            time.sleep(RECONNECTING)
    except TimeoutError:
        raise PodrunError("timed out waiting for the condition") from None


def _look(
    client: Client, namespace: str, name: str, uid: str, is_so: Callable[[Pod], bool], deadline: float | None
) -> Pod | None:
    """None: the watch ended before."""
    path, query = resources.POD.list_path(namespace), {"fieldSelector": f"metadata.name={name}"}
    listed = client.get(path, query)
    pods = [one for one in listed.get("items") or [] if one["metadata"].get("uid") == uid]
    if not pods:
        raise not_found("pods", name)
    if is_so(pods[0]):
        return dict(pods[0])
    if deadline is not None and time.monotonic() > deadline:
        raise TimeoutError
    for event in watching.changes(client, path, query, listed["metadata"]["resourceVersion"], deadline=deadline):
        pod = event["object"]
        if event["type"] == "DELETED" and pod["metadata"].get("uid") == uid:
            raise not_found("pods", name)
        if event["type"] in ("ADDED", "MODIFIED") and pod["metadata"].get("uid") == uid and is_so(pod):
            return dict(pod)
    return None
