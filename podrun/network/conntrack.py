"""Forgets which way datagrams went: a client that keeps its port would go on reaching whoever had the host port before.

Connections of TCP and SCTP end and begin anew, so nothing is done for them. Layout:
linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection

from podrun.network.nfnetlink import Nfnetlink, attribute, found, nest

CTNETLINK = 1
GET, DELETE = 1, 2
TUPLE_ORIG, ID, ZONE = 1, 12, 18  # CTA_*
TUPLE_PROTO = 2
PROTO_NUM, PROTO_DST_PORT = 1, 3


def forget_datagrams(ports: Collection[int]) -> int:
    """Delete what is known of UDP to these ports of the host, in both families; how many. Raises OSError."""
    if not ports:
        return 0
    nfnetlink = Nfnetlink()
    try:
        return sum(_forget(nfnetlink, family, ports) for family in (socket.AF_INET, socket.AF_INET6))
    finally:
        nfnetlink.close()


def _forget(nfnetlink: Nfnetlink, family: int, ports: Collection[int]) -> int:
    stale = [entry for entry in nfnetlink.dump(CTNETLINK << 8 | GET, family) if _is_datagram_to(entry, ports)]
    for entry in stale:
        _delete(nfnetlink, family, entry)
    return len(stale)


def _is_datagram_to(entry: bytes, ports: Collection[int]) -> bool:
    number = found(entry, TUPLE_ORIG, TUPLE_PROTO, PROTO_NUM)
    port = found(entry, TUPLE_ORIG, TUPLE_PROTO, PROTO_DST_PORT)
    return number == bytes([socket.IPPROTO_UDP]) and port is not None and int.from_bytes(port) in ports


def _delete(nfnetlink: Nfnetlink, family: int, entry: bytes) -> None:
    """By its identity, so that an entry which took its place meanwhile stays."""
    body = nest(TUPLE_ORIG, found(entry, TUPLE_ORIG) or b"")
    for kind in (ID, ZONE):
        value = found(entry, kind)
        if value is not None:
            body += attribute(kind, value)
    with contextlib.suppress(FileNotFoundError):  # it went by itself
        nfnetlink.request(CTNETLINK << 8 | DELETE, family, body)
