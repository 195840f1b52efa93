"""Speaks to the kubelet: HTTP/1.0 over its unix socket, where a body ends with the connection.

Plain sockets and json only: whatever else is imported here is waited for by everyone who types a command. Therefore
the sockets are CPython's own, without what socket.py adds, and paths are text.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from _socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET
from _socket import socket as Socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from podrun.cli import interrupts
from podrun.cli.failures import StatusFailure
from podrun.errors import PodrunError

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

Query = Mapping[str, "str | int | bool | Sequence[str] | None"]

_PIECE = 1 << 16
_SIZE_OF_INT = 4
_LONGEST_PATH = 107  # sun_path of unix(7) holds 108 bytes with the final zero
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


PATIENCE = 30.0
"""Seconds in which another kubelet may come after one that went while it was being read from."""

RECONNECTING = 0.2
"""Seconds before what a kubelet left unanswered is asked for again."""


class KubeletDownError(PodrunError):
    """Nobody answers on the socket."""


class KubeletLostError(PodrunError):
    """It was there, and went before it had answered."""

    def __init__(self) -> None:
        super().__init__("cannot talk to the kubelet: it closed the connection without an answer")


def connect(path: str) -> Socket:
    """A stream to a unix socket, however long its path is. OSError as connect(2)."""
    connection = Socket(AF_UNIX, SOCK_STREAM)
    try:
        if len(os.fsencode(path)) <= _LONGEST_PATH:
            connection.connect(path)
        else:
            parent, _, name = path.rpartition("/")
            directory = os.open(parent or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                connection.connect(f"/proc/self/fd/{directory}/{name}")
            finally:
                os.close(directory)
    except BaseException:
        connection.close()
        raise
    return connection


def receive_descriptors(connection: Socket, most: int) -> tuple[bytes, list[int]]:
    """Some bytes, none at the end, and the descriptors that came with them, which no program inherits."""
    interrupts.wait_readable(connection.fileno())
    piece, ancillary, _, _ = connection.recvmsg(_PIECE, CMSG_SPACE(most * _SIZE_OF_INT), MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            descriptors += memoryview(data[: len(data) // _SIZE_OF_INT * _SIZE_OF_INT]).cast("i")
    return piece, descriptors


def quote(text: str) -> str:
    """Percent-encoding of RFC 3986 for a path segment or a query value."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def path_of(*segments: str) -> str:
    return "/" + "/".join(quote(segment) for segment in segments)


class Stream:
    """An answer whose body is read while it comes."""

    def __init__(self, connection: Socket, rest: bytes, headers: Mapping[str, str] | None = None) -> None:
        """`headers` have lower-case names."""
        self._connection = connection
        self._limit: float | None = None
        self._rest = rest
        self.headers = headers or {}

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def connection(self) -> Socket:
        return self._connection

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def holds_bytes(self) -> bool:
        """Whether some came together with the head: nobody is told that they can be read."""
        return bool(self._rest)

    def limit(self, seconds: float | None) -> None:
        """TimeoutError from reading after so long without a byte; None: never."""
        self._limit = seconds

    def read(self) -> bytes:
        """Some bytes; none at the end."""
        if self._rest:
            piece, self._rest = self._rest, b""
            return piece
        interrupts.wait_readable(self.fileno(), self._limit)
        try:
            return self._connection.recv(_PIECE)
        except ConnectionError:
            return b""

    def read_all(self) -> bytes:
        return b"".join(iter(self.read, b""))

    def lines(self) -> Iterator[bytes]:
        """Whole lines, without their ends; a piece cut off by the end of the stream is no line."""
        pending = b""
        while piece := self.read():
            *whole, pending = (pending + piece).split(b"\n")
            yield from whole


class Client:
    def __init__(self, socket: str, start: Callable[[], None] | None = None) -> None:
        """`start` is called when the kubelet does not answer, and returns when it does; None: that is an error."""
        self.socket = socket
        self.start = start

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Any:
        """The JSON of the answer; where the kubelet goes meanwhile, that of the next one. StatusFailure: the server
        refused."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask("GET", path, query, accept=accept)
            except KubeletLostError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(RECONNECTING)

    def starting_none(self) -> Client:
        """The same for who starts no kubelet: whoever ended it may have meant it."""
        return Client(self.socket)

    def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer. StatusFailure: the server refused."""
        heads = {"Accept": accept, **(headers or {})}
        if body:
            heads["Content-Type"] = content_type
        with self.open(method, path, query, body=body, headers=heads) as stream:
            content = stream.read_all()
            if len(content) < int(stream.headers.get("content-length") or 0):
                raise KubeletLostError
            return decoded(content)

    def open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """The answer, body unread. StatusFailure: the server refused."""
        heads = {"Content-Length": str(len(body)), **(headers or {})}
        stream = self._sent(_head(method, path, query, heads) + body)
        try:
            return _answered(stream)
        except BaseException:
            stream.close()
            raise

    def receive_descriptor(
        self, method: str, path: str, query: Query | None = None, *, headers: Mapping[str, str] | None = None
    ) -> int:
        """The descriptor that comes with a successful answer. StatusFailure: the server refused."""
        with self._sent(_head(method, path, query, headers)) as sent:
            received = b""
            while True:
                try:
                    piece, descriptors = receive_descriptors(sent.connection, 1)
                except ConnectionError:  # As good as its end: the kubelet was killed.
                    piece, descriptors = b"", []
                if descriptors:
                    return descriptors[0]
                if not piece:
                    _answered(Stream(sent.connection, received))
                    raise KubeletLostError
                received += piece

    def upload(self, method: str, path: str, query: Query, write: Callable[[Callable[[bytes], None]], None]) -> Any:
        """Sends what `write` hands to the function that it gets, however much that is; the JSON of the answer."""
        heads = {"Transfer-Encoding": "chunked", "Connection": "close"}
        with self._sent(_head(method, path, query, heads, version="1.1")) as sent:
            connection = sent.connection

            def send(piece: bytes) -> None:
                if piece:
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece), MSG_NOSIGNAL)

            # It may refuse, and close, before all was sent: then its answer is read next.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                write(send)
                connection.sendall(b"0\r\n\r\n", MSG_NOSIGNAL)
            return decoded(_answered(Stream(connection, b"")).read_all())

    def is_up(self) -> bool:
        """Whether a kubelet answers now; none is started."""
        try:
            with Client(self.socket).open("GET", "/healthz"):
                return True
        except PodrunError:
            return False

    def _sent(self, request: bytes) -> Stream:
        connection = self._connected()
        # It may refuse, and close, before it has read all: then its answer is read next.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request, MSG_NOSIGNAL)
        return Stream(connection, b"")

    def _connected(self) -> Socket:
        try:
            return connect(self.socket)
        except PermissionError as error:
            raise PodrunError("cannot reach the kubelet: must be run as root", hint="use sudo") from error
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
                raise PodrunError(f"cannot reach the kubelet at {self.socket}: {error.strerror}") from error
        if self.start is None:
            raise KubeletDownError("cannot reach the kubelet: it is not running", hint="start it: podrun system start")
        self.start()
        return Client(self.socket)._connected()


def decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise PodrunError("cannot understand the kubelet's answer: it is not JSON") from error


def _head(
    method: str, path: str, query: Query | None, headers: Mapping[str, str] | None, *, version: str = "1.0"
) -> bytes:
    lines = [f"{method} {path}{_query_text(query or {})} HTTP/{version}", "Host: podrun"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _answered(stream: Stream) -> Stream:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = stream.read()
        if not piece:
            raise KubeletLostError
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    answer = Stream(stream.connection, rest, {name.lower(): value.strip() for name, _, value in lines})
    try:
        code = int(head.split(b" ", 2)[1])
    except (IndexError, ValueError) as error:
        raise PodrunError("cannot understand the kubelet's answer: it is not HTTP") from error
    if code >= 300:
        raise StatusFailure.of_answer(code, answer.read_all())
    return answer


def _query_text(query: Query) -> str:
    parts = []
    for name, value in query.items():
        match value:
            case None | False | "":
                continue
            case True:
                parts.append(f"{name}=true")
            case str() | int():
                parts.append(f"{name}={quote(str(value))}")
            case _:
                parts += [f"{name}={quote(one)}" for one in value]
    return "?" + "&".join(parts) if parts else ""
