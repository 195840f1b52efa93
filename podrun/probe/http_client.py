"""One HTTP/1.1 GET, as small as probes and hooks need it. Servers may be hostile: every size is bounded.

It leaves out keep-alive, compression, cookies and HTTP/2. Errors are in the words of Go's net/http, which events show.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from podrun.probe.connections import Connection, ConnectionFailed, NotTLS, Refused, dial
from podrun.probe.http_request import InvalidRequest, Request
from podrun.probe.outcomes import MOST_OUTPUT

MOST_REDIRECTS = 10
MOST_HEADER_BYTES = 1 << 20
_MOST_INTERIM = 5  # answers 1xx before the real one
_MOST_CHUNK_LINE = 4096  # bytes
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]  # by name in lower case
    body: bytes  # the first MOST_OUTPUT bytes


class RequestFailed(Exception):
    """No answer: `Get "http://10.0.0.2:80/": dial tcp ...`."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f'Get "{url}": {reason}')
        self.plain_http = isinstance(reason, NotTLS)  # TLS was wanted, and an HTTP server answered
        self.refused = isinstance(reason, Refused)


class BodyFailed(Exception):
    """An answer whose body broke off."""


class _Malformed(Exception):
    pass


async def get(request: Request, timeout: float | None) -> Response:
    """The answer, redirects within the host followed, `timeout` seconds for all. Raises RequestFailed, BodyFailed."""
    url, reading_body = request.url, False
    try:
        async with asyncio.timeout(timeout):
            for _ in range(MOST_REDIRECTS):
                async with _answer(request) as (status, headers, body):
                    location = headers.get("location", "") if status in _REDIRECTS else ""
                    following = request.redirected(location) if location else request
                    if not location or following.host != request.host:
                        reading_body = True
                        return Response(status, headers, await body.read(MOST_OUTPUT))
                request, url = following, request.url
            raise RequestFailed(url, f"stopped after {MOST_REDIRECTS} redirects")
    except TimeoutError:
        if reading_body:
            words = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
            raise BodyFailed(words) from None
        raise RequestFailed(url, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)") from None
    except (ConnectionFailed, _Malformed, InvalidRequest) as error:
        if reading_body:
            raise BodyFailed(str(error)) from None
        raise RequestFailed(url, error) from None


@contextlib.asynccontextmanager
async def _answer(request: Request) -> AsyncIterator[tuple[int, dict[str, str], _Body]]:
    content = request.encode()
    connection = await dial(request.host, request.port)
    try:
        if request.scheme == "https":
            await connection.start_tls(request.host)
        await connection.send(content)
        status, headers, rest = await _read_head(connection)
        yield status, headers, _Body(connection, status, headers, rest)
    finally:
        connection.close()


async def _read_head(connection: Connection) -> tuple[int, dict[str, str], bytes]:
    received = b""
    for _ in range(_MOST_INTERIM + 1):
        head, received = await _read_block(connection, received)
        status, headers = _parse_head(head)
        if status >= 200 or status == 101:
            return status, headers, received
    raise _Malformed("net/http: too many 1xx informational responses")


async def _read_block(connection: Connection, received: bytes) -> tuple[bytes, bytes]:
    """Up to the empty line, and what came after it."""
    buffer = bytearray(received)
    searched = 0
    while True:
        for end in (b"\r\n\r\n", b"\n\n"):
            if (at := buffer.find(end, searched)) >= 0:
                return bytes(buffer[:at]), bytes(buffer[at + len(end) :])
        if len(buffer) > MOST_HEADER_BYTES:
            raise _Malformed(f"net/http: server response headers exceeded {MOST_HEADER_BYTES} bytes; aborted")
        searched = max(0, len(buffer) - 3)
        chunk = await connection.receive()
        if not chunk:
            raise _Malformed("unexpected EOF" if buffer else "EOF")
        buffer += chunk


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, _, rest = head.decode("latin-1").partition("\n")
    first = first.rstrip("\r")
    version, _, code = first.partition(" ")
    broken = "net/http: HTTP/1.x transport connection broken: malformed HTTP"
    if not version.startswith("HTTP/") or not code:
        raise _Malformed(f'{broken} response "{first[:256]}"')
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise _Malformed(f'{broken} version "{version[:256]}"')
    digits = code.partition(" ")[0]
    if len(digits) != 3 or not (digits.isascii() and digits.isdigit()):
        raise _Malformed(f'{broken} status code "{digits[:256]}"')
    headers: dict[str, str] = {}
    for line in rest.split("\n"):
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), value.strip())
    return int(digits), headers


class _Body:
    """What follows the head: to a length, in chunks, or to the end of the connection."""

    def __init__(self, connection: Connection, status: int, headers: Mapping[str, str], received: bytes) -> None:
        self._connection = connection
        self._received = received
        self._is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._length: int | None = None
        length = headers.get("content-length", "")
        if status in _BODILESS:
            self._length, self._is_chunked = 0, False
        elif not self._is_chunked and length:
            if not (length.isascii() and length.isdigit()):
                raise _Malformed(f'net/http: HTTP/1.x transport connection broken: bad Content-Length "{length[:256]}"')
            self._length = min(int(length[:18]), 1 << 60)

    async def read(self, most: int) -> bytes:
        """The first `most` bytes. Raises _Malformed where the body ends too early, ConnectionFailed."""
        if self._is_chunked:
            return await self._read_chunks(most)
        wanted = most if self._length is None else min(most, self._length)
        while len(self._received) < wanted and await self._receive():
            pass
        if self._length is not None and len(self._received) < wanted:
            raise _Malformed("unexpected EOF")
        return self._received[:wanted]

    async def _read_chunks(self, most: int) -> bytes:
        body = b""
        while len(body) < most:
            size = await self._chunk_size()
            if size == 0:
                break
            wanted = min(size, most - len(body))
            body += await self._take(wanted)
            if wanted == size:
                await self._take_line()
        return body

    async def _chunk_size(self) -> int:
        digits = (await self._take_line()).partition(b";")[0].strip()
        if not digits or not all(digit in b"0123456789abcdefABCDEF" for digit in digits):
            raise _Malformed("invalid byte in chunk length")
        return int(digits, 16)

    async def _take_line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > _MOST_CHUNK_LINE:
                raise _Malformed("http: chunk length too large")
            if not await self._receive():
                raise _Malformed("unexpected EOF")
        line, self._received = self._received[:end], self._received[end + 1 :]
        return line

    async def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            if not await self._receive():
                raise _Malformed("unexpected EOF")
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    async def _receive(self) -> bool:
        chunk = await self._connection.receive()
        self._received += chunk
        return bool(chunk)
