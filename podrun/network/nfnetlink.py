"""A plain netfilter netlink socket: requests of bytes, answers by kind. Layouts: linux/netfilter/nfnetlink.h.

What is done for every pod, or too often for a process of nft(8), goes through it.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator

NETLINK_NETFILTER = 12
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_CREATE = 0x1, 0x4, 0x300, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NESTED = 0x8000  # NLA_F_NESTED
TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_FAMILY = struct.Struct(">BBH")  # struct nfgenmsg: family, version, resource id in network order
_ATTRIBUTE = struct.Struct("=HH")


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def nest(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


def attributes(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind, without its flags, and value of each."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(packet):
        length, kind = _ATTRIBUTE.unpack_from(packet, offset)
        yield kind & TYPE_MASK, packet[offset + _ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, _ATTRIBUTE.size)


def found(packet: bytes, *path: int) -> bytes | None:
    """The value of the attribute at the end of `path` through nested ones."""
    for kind in path:
        inside = dict(attributes(packet)).get(kind)
        if inside is None:
            return None
        packet = inside
    return packet


class Nfnetlink:
    """Belongs to the network namespace it was opened in. One thread at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def request(self, kind: int, family: int, body: bytes) -> None:
        """Carried out when it returns. Raises OSError."""
        first = self._sequence + 1
        self._socket.send(self._message(kind, NLM_F_REQUEST | NLM_F_ACK, family, 0, body))
        self._wait({first})

    def batch(self, subsystem: int, family: int, requests: Iterable[tuple[int, int, bytes]]) -> None:
        """(kind, flags, body) of each, all or nothing. Raises OSError for the first that failed."""
        packet = self._message(BATCH_BEGIN, NLM_F_REQUEST, 0, subsystem, b"")
        begin = self._sequence
        for kind, flags, body in requests:
            packet += self._message(kind, NLM_F_REQUEST | NLM_F_ACK | flags, family, 0, body)
        asked = set(range(begin + 1, self._sequence + 1))
        self._socket.send(packet + self._message(BATCH_END, NLM_F_REQUEST, 0, subsystem, b""))
        self._wait(asked, begin)

    def dump(self, kind: int, family: int) -> list[bytes]:
        """The attributes of every object. Raises OSError."""
        self._socket.send(self._message(kind, NLM_F_REQUEST | NLM_F_DUMP, family, 0, b""))
        objects: list[bytes] = []
        while True:
            for answer, sequence, payload in self._receive():
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_DONE:
                    return objects
                if answer == NLMSG_ERROR and (error := _error(payload)):
                    raise error
                objects.append(payload[_FAMILY.size :])

    def _message(self, kind: int, flags: int, family: int, resource: int, body: bytes) -> bytes:
        self._sequence += 1
        length = _HEADER.size + _FAMILY.size + len(body)
        return _HEADER.pack(length, kind, flags, self._sequence, 0) + _FAMILY.pack(family, 0, resource) + body

    def _wait(self, asked: set[int], begin: int = 0) -> None:
        """For an answer to each. A batch that fails as a whole is answered once, as its beginning."""
        failure: OSError | None = None
        while asked:
            for kind, sequence, payload in self._receive():
                error = _error(payload) if kind == NLMSG_ERROR else None
                if sequence == begin and error:
                    raise error
                if kind == NLMSG_ERROR and sequence in asked:
                    asked.discard(sequence)
                    failure = failure or error
        if failure is not None:
            raise failure

    def _receive(self) -> list[tuple[int, int, bytes]]:
        return messages_of(self._socket.recv(1 << 20))


def messages_of(packet: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, sequence number and payload of each message in a datagram."""
    messages = []
    offset = 0
    while offset < len(packet):
        length, kind, _flags, sequence, _port = _HEADER.unpack_from(packet, offset)
        messages.append((kind, sequence, packet[offset + _HEADER.size : offset + length]))
        offset += (length + 3) & ~3
    return messages


def _error(payload: bytes) -> OSError | None:
    """None for success, which is error 0."""
    error = -struct.unpack_from("=i", payload)[0]
    return OSError(error, os.strerror(error)) if error else None
