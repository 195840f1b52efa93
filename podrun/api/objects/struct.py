"""How Kubernetes' objects are written as frozen structs: names, defaults that are always printed, scalar types.

A field prints exactly when Go's `omitempty` rules print it. Decoding with its checks is in api/decode.py.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")

INITIALISMS = {
    "id": "ID",
    "ids": "IDs",
    "ip": "IP",
    "ips": "IPs",
    "pid": "PID",
    "ipc": "IPC",
    "uuid": "UUID",
    "uri": "URI",
    "fqdn": "FQDN",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "wwns": "WWNs",
    "io": "IO",
}


class Marker:
    """Tells the decoder of a scalar's Go type; msgspec ignores it."""

    def __init__(self, go_type: str) -> None:
        self.go_type = go_type


Int32 = Annotated[int, Marker("int32")]
Uint32 = Annotated[int, Marker("uint32")]
Quantity = Annotated[str, Marker("resource.Quantity")]
Time = Annotated[str, Marker("v1.Time")]
MicroTime = Annotated[str, Marker("v1.MicroTime")]
Bytes = Annotated[str, Marker("[]uint8")]
"""Binary content, kept in base64 as it stands in JSON."""

IntOrString = int | str


def kubernetes_name(attribute: str) -> str:
    """The field's name in JSON: `host_ips` is `hostIPs`, `api_version` is `apiVersion`."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(INITIALISMS.get(word) or word.capitalize() for word in rest)


def always(value: T) -> T:
    """A default that is printed even where nothing else was set (a Go field without omitempty)."""
    return msgspec.field(default_factory=lambda: value)


def entries() -> dict[str, Any]:
    """A map that is empty by default and not printed while it is."""
    return msgspec.field(default_factory=dict)


class KubeStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=kubernetes_name):
    """What every object and every part of one is built on."""
