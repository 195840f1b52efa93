"""TCP connections of probes, with or without TLS, on the bare event loop; what goes wrong is said in Go's words.

Time is limited by the caller. Certificates are not checked: pods have their own (pkg/probe/http).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TypeVar

from podrun.probe.addresses import is_address, join

T = TypeVar("T")

_AT_ONCE = struct.pack("ii", 1, 0)
_CHUNK = 16 << 10  # bytes


class ConnectionFailed(Exception):
    """`dial tcp 10.0.0.2:80: connect: connection refused`, as Go's net package says it."""


class Refused(ConnectionFailed):
    """Nobody listens there."""


class NotTLS(ConnectionFailed):
    """An HTTP server answers in plain text where TLS was expected."""


class Connection:
    """One connected stream. `close` is always due."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    async def start_tls(self, host: str) -> None:
        """The handshake, with `host` for SNI unless it is an address. Raises ConnectionFailed, NotTLS among them."""
        name = None if is_address(host) else host
        tls = _tls_context().wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        self._socket = tls
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            await _ready(tls)
            if socket.socket.recv(tls, 5, socket.MSG_PEEK) == b"HTTP/":
                raise NotTLS("http: server gave HTTP response to HTTPS client")
            await self._retry(tls.do_handshake)
        except ssl.SSLError as error:
            raise ConnectionFailed(f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}") from error
        except OSError as error:
            raise ConnectionFailed(self._words("read", error)) from error

    async def send(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[await self._retry(functools.partial(self._socket.send, rest), writes=True) :]
        except OSError as error:
            raise ConnectionFailed(self._words("write", error)) from error

    async def receive(self) -> bytes:
        """Some bytes, none at the end."""
        try:
            return await self._retry(functools.partial(self._socket.recv, _CHUNK))
        except ssl.SSLEOFError:
            return b""
        except OSError as error:
            raise ConnectionFailed(self._words("read", error)) from error

    def close(self) -> None:
        """Reset rather than part politely: sockets in TIME_WAIT after each probe would use up the machine's ports."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._socket.close()

    async def _retry(self, attempt: Callable[[], T], *, writes: bool = False) -> T:
        while True:
            try:
                return attempt()
            except BlockingIOError:
                await _ready(self._socket, writes=writes)
            except ssl.SSLWantReadError:
                await _ready(self._socket)
            except ssl.SSLWantWriteError:
                await _ready(self._socket, writes=True)

    def _words(self, operation: str, error: OSError) -> str:
        with contextlib.suppress(OSError):
            ours, theirs = join(*self._socket.getsockname()[:2]), join(*self._socket.getpeername()[:2])
            return f"{operation} tcp {ours}->{theirs}: {operation}: {_reason(error)}"
        return f"{operation} tcp: {operation}: {_reason(error)}"


async def dial(host: str, port: int) -> Connection:
    """A connection to the first address of `host` that takes one. Raises ConnectionFailed in the words of the last."""
    failure = ConnectionFailed(f"dial tcp: lookup {host}: no such host")
    for family, address in await _addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            await _connect(sock, address)
            return Connection(sock)
        except OSError as error:
            sock.close()
            kind = Refused if isinstance(error, ConnectionRefusedError) else ConnectionFailed
            failure = kind(f"dial tcp {join(str(address[0]), port)}: connect: {_reason(error)}")
        except BaseException:
            sock.close()
            raise
    raise failure


async def _connect(sock: socket.socket, address: tuple[str | int, ...]) -> None:
    try:
        sock.connect(address)
        return
    except BlockingIOError:
        pass
    try:
        sock.getpeername()  # across a bridge of this machine the handshake is usually over by now
    except OSError:
        await _ready(sock, writes=True)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number)) from None  # ECONNREFUSED makes it a ConnectionRefusedError


async def _addresses(host: str, port: int) -> list[tuple[int, tuple[str | int, ...]]]:
    if is_address(host):
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [(family, (str(address[0]), *address[1:])) for family, _, _, _, address in found]


async def _ready(sock: socket.socket, *, writes: bool = False) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    descriptor = sock.fileno()
    (loop.add_writer if writes else loop.add_reader)(descriptor, _wake, future)
    try:
        await future
    finally:
        (loop.remove_writer if writes else loop.remove_reader)(descriptor)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # small keys and old signatures are the pod's own affair
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
