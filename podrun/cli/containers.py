"""Which container of a pod a command means."""

from __future__ import annotations

import sys
from typing import Any

from podrun.cli import resources
from podrun.errors import PodrunError

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pod_name(word: str) -> str:
    """The name in `web` or `pod/web`. PodrunError: another kind."""
    kind, slash, name = word.partition("/")
    if not slash:
        return word
    resource = resources.find(kind)
    if resource is not resources.POD:
        raise not_a_pod(resource)
    return name


def not_a_pod(resource: resources.Resource) -> PodrunError:
    return PodrunError(f"cannot attach to *v1.{resource.kind}: selector for *v1.{resource.kind} not implemented")


def names(pod: dict[str, Any]) -> list[str]:
    """All of them, init containers first."""
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or []), *spec["containers"], *(spec.get("ephemeralContainers") or [])]
    return [one["name"] for one in every]


def spec(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Of a container that is there."""
    lists = (pod["spec"].get(kind) or [] for kind in ("containers", "initContainers", "ephemeralContainers"))
    return next(one for each in lists for one in each if one["name"] == name)


def state(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """What its status says it is in now; empty before there is one."""
    status = pod.get("status") or {}
    lists = (status.get(f"{kind}Statuses") or [] for kind in ("container", "initContainer", "ephemeralContainer"))
    return next((one.get("state") or {} for each in lists for one in each if one["name"] == name), {})


def choose(pod: dict[str, Any], wanted: str, *, quiet: bool = False) -> str:
    """`wanted`, or the default container; if it is one of several, that is said on stderr. PodrunError: no such one."""
    wish, metadata = pod["spec"], pod["metadata"]
    if wanted:
        if wanted not in names(pod):
            raise PodrunError(f"container {wanted} is not valid for pod {metadata['name']}")
        return wanted
    annotated = (metadata.get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if annotated in names(pod):
        return str(annotated)
    first = str(wish["containers"][0]["name"])
    if len(names(pod)) > 1 and not quiet:
        regular = [one["name"] for one in wish["containers"]]
        ephemeral = [f"{one['name']} (ephem)" for one in wish.get("ephemeralContainers") or []]
        init = [f"{one['name']} (init)" for one in wish.get("initContainers") or []]
        print(f'Defaulted container "{first}" out of: {", ".join([*regular, *ephemeral, *init])}', file=sys.stderr)
    return first
