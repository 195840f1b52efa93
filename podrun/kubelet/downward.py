"""A pod's own fields and resources as text, for its environment and its downward API files. Pure.

Rules: pkg/kubelet/kubelet_pods.go (podFieldSelectorRuntimeValue), pkg/fieldpath, pkg/api/v1/resource/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from podrun.api import objects, quantity

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")
_FROM_ALLOCATABLE = ("cpu", "memory", "ephemeral-storage")
_GO_ESCAPES = dict(zip('\a\b\f\n\r\t\v"\\', ("\\" + letter for letter in 'abfnrtv"\\'), strict=True))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the pod's object does not say at the time; `allocatable` of the node stands for limits that are not set."""

    node_name: str
    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_text(pod: objects.Pod, path: str, facts: Facts) -> str:
    """The field that a fieldRef names; "" for a label that is not there. Whole maps are one `key="value"` a line."""
    metadata = pod.metadata
    maps = {"labels": metadata.labels, "annotations": metadata.annotations}
    if found := _SUBSCRIPT.fullmatch(path):
        return maps[found[1]].get(found[2], "")
    match path.split("."):
        case ["metadata", ("labels" | "annotations") as kind]:
            return "\n".join(f"{key}={_go_quoted(value)}" for key, value in sorted(maps[kind].items()))
        case ["metadata", ("name" | "namespace" | "uid") as kind]:
            return str(getattr(metadata, kind))
        case ["spec", "nodeName"]:
            return facts.node_name
        case ["spec", "serviceAccountName"]:
            return pod.spec.service_account_name
        case ["status", "hostIP"]:
            return "".join(facts.host_ips[:1])
        case ["status", "hostIPs"]:
            return ",".join(facts.host_ips)
        case ["status", "podIP"]:
            return "".join(facts.pod_ips[:1])
        case ["status", "podIPs"]:
            return ",".join(facts.pod_ips)
        case _:
            raise ValueError(f"unsupported fieldPath: {path}")  # validation lets none through


def resource_text(
    pod: objects.Pod, container: objects.Container, selector: objects.ResourceFieldSelector, facts: Facts
) -> str:
    """A request or limit in units of the divisor, rounded up."""
    kind, _, name = selector.resource.partition(".")
    amounts = container.resources.limits if kind == "limits" else container.resources.requests
    amount = amounts.get(name, "0")
    if kind == "limits" and name in _FROM_ALLOCATABLE and quantity.parse(amount).nanos == 0:
        of_pod = pod.spec.resources.limits if pod.spec.resources else {}
        amount = of_pod.get(name) or facts.allocatable.get(name, "0")
    parts = 1000 if name == "cpu" else 1
    divisor = quantity.parse(selector.divisor).scaled_up(parts) or parts
    return str(-(-quantity.parse(amount).scaled_up(parts) // divisor))


def container_called(pod: objects.Pod, name: str) -> objects.Container | None:
    """The container that a resourceFieldRef names."""
    return next((each for each in (*pod.spec.init_containers, *pod.spec.containers) if each.name == name), None)


def _go_quoted(text: str) -> str:
    """As Go's %q."""
    return f'"{"".join(_go_escaped(letter) for letter in text)}"'


def _go_escaped(letter: str) -> str:
    if letter in _GO_ESCAPES:
        return _GO_ESCAPES[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
