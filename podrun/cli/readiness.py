"""`apply --wait`: until every pod is ready or has succeeded, or one can't get there any more."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from podrun.cli import watching
from podrun.cli.client import RECONNECTING, Client
from podrun.cli.failures import QuietFailureError
from podrun.cli.plain_text import plain
from podrun.cli.resources import POD

HOPELESS = frozenset(
    (
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
    )
)
"""Reasons of waiting that nothing on this machine will heal: what the container needs is not there."""

Key = tuple[str, str]
Pod = dict[str, Any]


def wait(client: Client, pods: Sequence[Pod], timeout: float) -> None:
    """Says on stderr what each pod waits for. QuietFailureError: one failed, is gone, or `timeout` seconds are over."""
    sys.stdout.flush()
    awaited = _Awaited(pods)
    deadline = time.monotonic() + timeout
    # As they were when they were applied, and all that has happened since: a list of all pods would say no more.
    awaited.see_all(pods)
    since = min((one["metadata"]["resourceVersion"] for one in pods), key=int, default="")
    pause = 0.0  # the first time, it may just be too long ago
    try:
        while awaited.open:
            _follow(client, awaited, since, deadline)
            if awaited.open:
                time.sleep(pause)
                since, pause = _listed(client, awaited), RECONNECTING
    except TimeoutError:
        for namespace, name in sorted(awaited.open):
            _say(f"error: timed out waiting for the condition on pods/{name}")
            _say(f"hint: podrun describe pod {name}{'' if namespace == 'default' else f' -n {namespace}'}")
        raise QuietFailureError from None


def _listed(client: Client, awaited: _Awaited) -> str:
    """The resourceVersion of what was seen."""
    listed = client.get(POD.list_path(None))
    awaited.see_all(listed.get("items") or [])
    return str(listed["metadata"]["resourceVersion"])


def _follow(client: Client, awaited: _Awaited, since: str, deadline: float) -> None:
    """Until none is open, or a list is needed. TimeoutError."""
    for event in watching.changes(client, POD.list_path(None), {}, since, deadline=deadline):
        match event["type"]:
            case "DELETED":
                awaited.lose(event["object"])
            case "ADDED" | "MODIFIED":
                awaited.see(event["object"])
        if not awaited.open:
            return
    if time.monotonic() > deadline:
        raise TimeoutError


class _Awaited:
    """The pods that are still waited for, and what was last said of each."""

    def __init__(self, pods: Sequence[Pod]) -> None:
        self.open = {_key(pod) for pod in pods}
        self._uids = {_key(pod): pod["metadata"].get("uid", "") for pod in pods}
        self._said: dict[Key, str] = {}

    def see_all(self, pods: Sequence[Pod]) -> None:
        found = {_key(pod): pod for pod in pods}
        for key in sorted(self.open):
            if key in found:
                self.see(found[key])
            else:
                self._fail(key, "it was deleted")

    def lose(self, pod: Pod) -> None:
        if _key(pod) in self.open and pod["metadata"].get("uid", "") == self._uids[_key(pod)]:
            self._fail(_key(pod), "it was deleted")

    def see(self, pod: Pod) -> None:
        key = _key(pod)
        if key not in self.open:
            return
        state, words = outlook(pod)
        if state == "failed":
            self._fail(key, words)
        if self._said.get(key) != words:
            self._said[key] = words
            _say(f"pod/{key[1]}: {words}")
        if state == "good":
            self.open.discard(key)

    def _fail(self, key: Key, why: str) -> None:
        _say(f"error: pod/{key[1]} can't become ready: {why}")
        raise QuietFailureError


def outlook(pod: Pod) -> tuple[Literal["good", "waiting", "failed"], str]:
    """Whether a pod has got there, will, or can't; and in words, how it stands."""
    status = pod.get("status") or {}
    phase = status.get("phase") or "Pending"
    if phase == "Succeeded":
        return "good", "succeeded"
    if pod["metadata"].get("deletionTimestamp"):
        return "failed", "it is being deleted"
    if phase == "Failed":
        return "failed", _join("failed", *_ends(status), status.get("message") or status.get("reason") or "")
    if any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or []):
        return "good", "ready"
    never = (pod.get("spec") or {}).get("restartPolicy") == "Never"
    for container in _containers(status):
        if why := _hopeless(container, never=never):
            return "failed", why
    return "waiting", _progress(phase, status)


def _hopeless(container: dict[str, Any], *, never: bool) -> str:
    """Why this container can't come up; empty if it may."""
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    who = f'container "{container["name"]}"'
    if waiting.get("reason") in HOPELESS:
        return _join(f"{who}: {waiting['reason']}", waiting.get("message") or "")
    if never and ended and ended.get("exitCode"):
        return _join(f"{who}: {_end(ended)}", ended.get("message") or "")
    return ""


def _progress(phase: str, status: dict[str, Any]) -> str:
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _join(phase, condition.get("message") or condition.get("reason") or "not scheduled")
    containers = list(_containers(status))
    ready = sum(bool(one.get("ready")) for one in status.get("containerStatuses") or [])
    reasons = []
    for container in containers:
        state = container.get("state") or {}
        reason = (state.get("waiting") or {}).get("reason") or ""
        if reason and reason != "PodInitializing":
            reasons.append(f"{container['name']}: {reason}")
    total = len(status.get("containerStatuses") or [])
    counted = f"{ready} of {total} containers ready" if total else ""
    return _join(phase, counted) + (f" ({', '.join(reasons)})" if reasons else "")


def _ends(status: dict[str, Any]) -> Iterator[str]:
    for container in _containers(status):
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            yield _join(f'container "{container["name"]}": {_end(ended)}', ended.get("message") or "")


def _end(ended: dict[str, Any]) -> str:
    return f"{ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}"


def _containers(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _join(*parts: str) -> str:
    return ": ".join(part.strip() for part in parts if part)


def _key(pod: Pod) -> Key:
    return pod["metadata"].get("namespace", ""), pod["metadata"]["name"]


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr, flush=True)
