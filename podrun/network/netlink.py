"""A plain rtnetlink socket that sends several requests in one system call, and a short visit to another namespace.

pyroute2 writes and reads the messages; its own sockets bring an event loop each and fork to enter a namespace.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from podrun.linux import clone3, namespaces

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1

DUMP_TRIES = 10

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port

Result = TypeVar("Result")
Message = Any  # a decoded pyroute2 message: fields by index, attributes by get_attr


class NetlinkError(OSError):
    """The kernel refused a request. The text says what was asked and, where the kernel explained itself, its words."""

    def __init__(self, error: int, asked: str, explanation: str) -> None:
        super().__init__(error, os.strerror(error))
        self.asked = asked
        self.explanation = explanation

    def __str__(self) -> str:
        return f"{self.asked}: {self.strerror}" + (f" ({self.explanation})" if self.explanation else "")


@dataclass(frozen=True, slots=True)
class Request:
    """One rtnetlink message: `body` is a pyroute2 message, `asked` its meaning in words for errors."""

    asked: str
    type: int
    body: Message
    flags: int = 0


class Rtnetlink:
    """A socket that stays in the network namespace it was opened in, whatever thread uses it. See rtnetlink(7).

    One thread at a time: answers are read by whoever asked.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def change(self, *requests: Request) -> None:
        """Carry out all requests in order, in one system call, so that a kill can't separate them.

        Raises NetlinkError for the first that failed; the kernel has tried the later ones all the same.
        """
        if not requests:
            return
        first = self._send(requests, NLM_F_REQUEST | NLM_F_ACK)
        failure: NetlinkError | None = None
        answered = 0
        while answered < len(requests):
            for kind, _flags, sequence, message in self._receive():
                if kind == NLMSG_ERROR and sequence >= first:
                    answered += 1
                    failure = failure or _failure(message, requests[sequence - first].asked)
        if failure is not None:
            raise failure

    def get(self, request: Request) -> Message:
        """The one object asked for, decoded. Raises NetlinkError (ENODEV where there is no such link)."""
        first = self._send((request,), NLM_F_REQUEST)
        while True:
            for kind, _flags, sequence, message in self._receive():
                if sequence != first:
                    continue
                if kind == NLMSG_ERROR:
                    raise _failure(message, request.asked) or OSError(f"{request.asked}: empty answer")
                return _decoded(request, message)

    def dump(self, request: Request) -> list[Message]:
        """All objects of the kind, decoded. Asks again when they changed meanwhile, as some may then be missing."""
        for _ in range(DUMP_TRIES - 1):
            found, is_whole = self._dump(request)
            if is_whole:
                return found
        return self._dump(request)[0]

    def _dump(self, request: Request) -> tuple[list[Message], bool]:
        first = self._send((request,), NLM_F_REQUEST | NLM_F_DUMP)
        found: list[Message] = []
        is_whole = True
        while True:
            for kind, flags, sequence, message in self._receive():
                if sequence != first:
                    continue
                is_whole = is_whole and not flags & NLM_F_DUMP_INTR
                if kind == NLMSG_DONE:
                    return found, is_whole
                if kind == NLMSG_ERROR:
                    raise _failure(message, request.asked) or OSError(f"{request.asked}: empty answer")
                found.append(_decoded(request, message))

    def _send(self, requests: tuple[Request, ...], flags: int) -> int:
        first = self._sequence + 1
        packet = bytearray()
        for request in requests:
            self._sequence += 1
            header = request.body["header"]
            header["type"], header["flags"] = request.type, flags | request.flags
            header["sequence_number"] = self._sequence
            request.body.encode()
            packet += request.body.data
            packet += bytes(-len(packet) % 4)
        self._socket.send(packet)
        return first

    def _receive(self) -> list[tuple[int, int, int, bytes]]:
        """Type, flags, sequence number and whole bytes of each message in one datagram."""
        packet = self._socket.recv(1 << 20)
        messages = []
        offset = 0
        while offset < len(packet):
            length, kind, flags, sequence, _port = _HEADER.unpack_from(packet, offset)
            messages.append((kind, flags, sequence, packet[offset : offset + length]))
            offset += (length + 3) & ~3
        return messages


def _decoded(request: Request, message: bytes) -> Message:
    answer = type(request.body)(message)
    answer.decode()
    return answer


def _failure(message: bytes, asked: str) -> NetlinkError | None:
    """What an NLMSG_ERROR says; None for success, which is error 0."""
    error = -struct.unpack_from("=i", message, _HEADER.size)[0]
    if error == 0:
        return None
    explanation = ""
    offset = _HEADER.size + 4 + _HEADER.size  # the refused header comes back without its payload (NETLINK_CAP_ACK)
    while offset + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, offset)
        if kind == NLMSGERR_ATTR_MSG:
            explanation = message[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += max((length + 3) & ~3, 4)
    return NetlinkError(error, asked, explanation)


def inside(netns_fd: int, function: Callable[[], Result]) -> Result:
    """Run `function` on a short-lived thread in the network namespace. No other thread ever leaves its own. setns(2)"""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def visit() -> None:
        try:
            namespaces.setns(netns_fd, clone3.CloneFlag.NEWNET)
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=visit, name="netns")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
