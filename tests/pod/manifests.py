"""Pods for tests, as short as they can be said. Kubernetes' field names go through unchanged."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

BUSYBOX = "busybox:1"
WITNESS = "witness:1"

# The default action of a signal does not reach PID 1, so a shell that shall end at once says so.
OBEDIENT = "trap 'exit 0' TERM; "
SLEEP = OBEDIENT + "while true; do sleep 0.2; done"


def busybox(name: str = "main", script: str = SLEEP, **fields: Any) -> Json:
    """A container that runs a shell script, by default one that waits until it is told to end."""
    container = {"name": name, "image": BUSYBOX, "imagePullPolicy": "IfNotPresent"}
    return container | {"command": ["sh", "-c", script]} | fields


def witness(name: str, *words: str, **fields: Any) -> Json:
    """A container that runs the witness: see tests/witness/witness.c for its verbs."""
    container = {"name": name, "image": WITNESS, "imagePullPolicy": "IfNotPresent"}
    return container | {"command": ["/witness", *words]} | fields


def pod(name: str, *containers: Json, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    """A pod of these containers (one that sleeps, if none is given) with a short grace period."""
    metadata: Json = {"name": name} | ({"labels": labels} if labels else {})
    fields = {"terminationGracePeriodSeconds": 2} | spec
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": list(containers) or [busybox()]} | fields,
    }
