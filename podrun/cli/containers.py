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
    if resources.find(kind) is not resources.POD:
        raise PodrunError(f"cannot attach to *v1.{resources.find(kind).kind}: not a pod")
    return name


def names(pod: dict[str, Any]) -> list[str]:
    """All of them, init containers first."""
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or []), *spec["containers"], *(spec.get("ephemeralContainers") or [])]
    return [one["name"] for one in every]


def choose(pod: dict[str, Any], wanted: str) -> str:
    """`wanted`, or the default container; if it is one of several, that is said on stderr. PodrunError: no such one."""
    spec, metadata = pod["spec"], pod["metadata"]
    if wanted:
        if wanted not in names(pod):
            raise PodrunError(f"container {wanted} is not valid for pod {metadata['name']}")
        return wanted
    annotated = (metadata.get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if annotated in names(pod):
        return str(annotated)
    first = str(spec["containers"][0]["name"])
    if len(names(pod)) > 1:
        regular = [one["name"] for one in spec["containers"]]
        ephemeral = [f"{one['name']} (ephem)" for one in spec.get("ephemeralContainers") or []]
        init = [f"{one['name']} (init)" for one in spec.get("initContainers") or []]
        print(f'Defaulted container "{first}" out of: {", ".join([*regular, *ephemeral, *init])}', file=sys.stderr)
    return first
