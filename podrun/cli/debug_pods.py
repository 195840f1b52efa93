"""What `podrun debug` adds to a pod, or makes of a copy of it, as kubectl does it (pkg/cmd/debug). Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from podrun.errors import PodrunError

Json = dict[str, Any]

PROFILES = ("legacy", "general", "baseline", "netadmin", "restricted", "sysadmin")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True, slots=True)
class Wish:
    image: str = ""
    command: tuple[str, ...] = ()
    args_only: bool = False
    env: tuple[str, ...] = ()
    pull_policy: str = ""
    stdin: bool = False
    tty: bool = False
    target: str = ""
    profile: str = "general"
    copy_to: str = ""
    share_processes: bool = True
    same_node: bool = False
    set_images: tuple[str, ...] = ()


def container(wish: Wish, name: str) -> Json:
    """An ephemeral container, complete but for the profile."""
    made: Json = {"name": name, "image": wish.image, "terminationMessagePolicy": "File"}
    if wish.command:
        made["args" if wish.args_only else "command"] = list(wish.command)
    if wish.env:
        made["env"] = [_variable(text) for text in wish.env]
    if wish.pull_policy:
        made["imagePullPolicy"] = wish.pull_policy
    made |= {"stdin": True} if wish.stdin else {}
    made |= {"tty": True} if wish.tty else {}
    return made


def ephemeral(wish: Wish, name: str) -> Json:
    made = container(wish, name)
    if wish.target:
        made["targetContainerName"] = wish.target
    _secure(made, wish.profile)
    return made


def copied(pod: Json, wish: Wish, name: str, new_name: Callable[[], str]) -> tuple[Json, str]:
    """A copy of the pod under another name, and which of its containers is the one to debug with.

    `name` is of an existing container that is changed, or of a new one; `new_name` gives one where none was said.
    """
    spec = copy.deepcopy(pod["spec"])
    spec.pop("ephemeralContainers", None)
    if not wish.same_node:
        spec.pop("nodeName", None)
    spec["shareProcessNamespace"] = wish.share_processes
    _set_images(spec["containers"], wish.set_images)
    debugger = next((one for one in spec["containers"] if one["name"] == name), None) if name else None
    if debugger is not None:
        debugger |= {"image": wish.image} if wish.image else {}
        if wish.command:
            debugger.pop("args", None)
            debugger["args" if wish.args_only else "command"] = list(wish.command)
        debugger |= {"stdin": True} if wish.stdin else {}
        debugger |= {"tty": True} if wish.tty else {}
    elif wish.image:
        debugger = container(wish, name or new_name())
        spec["containers"].append(debugger)
    elif name:
        raise PodrunError(f'"{name}" is not a container of the pod; --image makes a new one')
    if debugger is not None:
        _secure(debugger, wish.profile)
    if wish.profile != "legacy":
        for one in spec["containers"]:
            for probe in _PROBES:
                one.pop(probe, None)
    metadata: Json = {"name": wish.copy_to, "namespace": pod["metadata"]["namespace"]}
    if annotations := pod["metadata"].get("annotations"):
        metadata["annotations"] = annotations
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return made, debugger["name"] if debugger is not None else ""


def _secure(made: Json, profile: str) -> None:
    """What a profile gives to the container, or takes from it."""
    match profile:
        case "general":
            made.setdefault("securityContext", {})
            _add_capabilities(made, "SYS_PTRACE")
        case "netadmin":
            made.setdefault("securityContext", {})
            _add_capabilities(made, "NET_ADMIN", "NET_RAW")
        case "sysadmin":
            made["securityContext"] = {"privileged": True}
        case "restricted":
            made["securityContext"] = {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        case "baseline":
            made.pop("securityContext", None)


def _add_capabilities(made: Json, *names: str) -> None:
    capabilities = made["securityContext"].setdefault("capabilities", {})
    capabilities["add"] = list(dict.fromkeys([*(capabilities.get("add") or []), *names]))


def _set_images(containers: list[Json], set_images: tuple[str, ...]) -> None:
    wanted = {}
    for text in set_images:
        name, equals, image = text.partition("=")
        if not equals or not name or not image:
            raise PodrunError(f"invalid set-image: {text}")
        wanted[name] = image
    for one in containers:
        one["image"] = wanted.get(one["name"], wanted.get("*", one["image"]))


def _variable(text: str) -> Json:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise PodrunError(f"invalid env: {text}")
    return {"name": name, "value": value}
