"""The pod that `podrun run` makes of its options, as kubectl makes it (pkg/cmd/run, createPod). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podrun.errors import PodrunError

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
_VARIABLE = re.compile(r"[\x20-\x3c\x3e-\x7e]+")  # since 1.30: all printable ASCII but "="


@dataclass(frozen=True, slots=True)
class Wish:
    name: str
    image: str
    arguments: tuple[str, ...] = ()
    as_command: bool = False
    env: Sequence[str] = ()
    labels: str = ""
    annotations: Sequence[str] = ()
    port: str = ""
    restart: str = "Always"
    pull_policy: str = ""
    stdin: bool = False
    tty: bool = False
    leave_stdin_open: bool = False
    privileged: bool = False


def check(wish: Wish) -> None:
    """PodrunError in kubectl's words."""
    if wish.restart not in RESTART_POLICIES:
        valid = ", ".join(("Always", "OnFailure", "Never"))
        raise PodrunError(f"invalid restart policy: {wish.restart}, valid values are: {valid}")
    if wish.pull_policy and wish.pull_policy not in PULL_POLICIES:
        raise PodrunError(f"invalid image pull policy: {wish.pull_policy}")
    if not wish.name:
        raise PodrunError("NAME is required for run")
    if not wish.image:
        raise PodrunError('required flag(s) "image" not set')
    check_image(wish.image)
    if wish.tty and not wish.stdin:
        raise PodrunError("-i/--stdin is required for containers with -t/--tty=true")
    if wish.port and not re.fullmatch(r"[+-]?[0-9]+", wish.port):
        raise PodrunError("--port must be a number")


def check_image(name: str) -> None:
    """PodrunError: it is none."""
    if not _REFERENCE.fullmatch(name):
        raise PodrunError(f'Invalid image name "{name}": invalid reference format')


def pod(wish: Wish) -> dict[str, Any]:
    """The manifest. PodrunError: labels, annotations or variables that are none."""
    container: dict[str, Any] = {"name": wish.name, "image": wish.image, "resources": {}}
    if wish.arguments:
        container["command" if wish.as_command else "args"] = list(wish.arguments)
    if wish.env:
        container["env"] = [_variable(text) for text in wish.env]
    if wish.port:
        container["ports"] = [{"containerPort": int(wish.port)}]
    if wish.pull_policy:
        container["imagePullPolicy"] = wish.pull_policy
    if wish.stdin:
        container["stdin"] = True
        container |= {} if wish.leave_stdin_open else {"stdinOnce": True}
    if wish.tty:
        container["tty"] = True
    if wish.privileged:
        container["securityContext"] = {"privileged": True}
    metadata: dict[str, Any] = {"name": wish.name, "labels": _labels(wish.labels) or {"run": wish.name}}
    if wish.annotations:
        metadata["annotations"] = dict(_annotation(text) for text in wish.annotations)
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": wish.restart}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


def _labels(text: str) -> dict[str, str]:
    labels = {}
    for one in text.split(",") if text else ():
        key, equals, value = one.partition("=")
        if not equals or "=" in value:
            raise PodrunError(f"unexpected label spec: {one}")
        if not key:
            raise PodrunError("unexpected empty label key")
        labels[key] = value
    return labels


def _annotation(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise PodrunError(f"invalid annotations format: {text}")
    return key, value


def _variable(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        raise PodrunError(f"invalid env: {text}")
    return {"name": name, "value": value} if value else {"name": name}
