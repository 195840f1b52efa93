"""The grpc probe: one call of grpc.health.v1.Health/Check, in plain text over HTTP/2 (pkg/probe/grpc).

HTTP/2 is h2's; the two messages of the protocol are small enough to be written by hand.
"""

from __future__ import annotations

import asyncio
import struct
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from podrun.probe.addresses import join
from podrun.probe.connections import Connection, ConnectionFailed, dial
from podrun.probe.http_request import KUBERNETES_VERSION
from podrun.probe.outcomes import Failed, Outcome, Succeeded

SERVING = 1
_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_OK, _UNKNOWN, _UNIMPLEMENTED, _UNAVAILABLE = 0, 2, 12, 14
_CODES = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)
_MOST_ANSWER = 64 << 10  # bytes of messages
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between tries to connect


class CallFailed(Exception):
    """The call ended with another status than OK."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def probe(host: str, port: int, service: str, timeout: float) -> Outcome:
    """`timeout` in seconds for all. As Go's client does, it tries to connect until the time is over."""
    channel: _Channel | None = None
    address = join(host, port)
    try:
        async with asyncio.timeout(timeout):
            channel = await _connect(host, port)
            status = await channel.check(address, service)
    except TimeoutError:
        if channel is None:
            words = f'failed to connect service "{address}" within {timeout:g}s: context deadline exceeded'
            return Failed(f"timeout: {words}")
        return Failed(f"timeout: health rpc did not complete within {timeout:g}s")
    except CallFailed as error:
        return Failed(_failure(error))
    finally:
        if channel is not None:
            channel.close()
    if status == SERVING:
        return Succeeded("service healthy")
    name = _STATUSES[status] if status < len(_STATUSES) else str(status)
    return Failed(f'service unhealthy (responded with "{name}")')


def _failure(error: CallFailed) -> str:
    if error.code == _UNIMPLEMENTED:
        protocol = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return f"error: {protocol}: {error.message}"
    name = _CODES[error.code] if error.code < len(_CODES) else f"Code({error.code})"
    return f"error: health rpc probe failed: rpc error: code = {name} desc = {error.message}"


async def _connect(host: str, port: int) -> _Channel:
    pause = _FIRST_PAUSE
    while True:
        try:
            connection = await dial(host, port)
            try:
                channel = _Channel(connection)
                await channel.greet()
                return channel
            except BaseException:
                connection.close()
                raise
        except (ConnectionFailed, CallFailed):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


class _Channel:
    """One HTTP/2 connection with room for one call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._events: list[h2.events.Event] = []

    async def greet(self) -> None:
        """Settings sent and received: the other end speaks HTTP/2."""
        self._http.initiate_connection()
        await self._flush()
        while not isinstance(await self._next(), h2.events.RemoteSettingsChanged):
            pass

    async def check(self, authority: str, service: str) -> int:
        """The serving status. Raises CallFailed."""
        try:
            return await self._check(authority, service)
        except ConnectionFailed as error:
            raise CallFailed(_UNAVAILABLE, f"error reading from server: {error}") from error

    async def _check(self, authority: str, service: str) -> int:
        headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("user-agent", f"kube-probe/{KUBERNETES_VERSION}"),
            ("te", "trailers"),
        )
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, headers)
        self._http.send_data(stream, encode_request(service), end_stream=True)
        await self._flush()
        answer = b""
        trailers: dict[str, str] = {}
        while True:
            match await self._next():
                case h2.events.ResponseReceived(headers=received) | h2.events.TrailersReceived(headers=received):
                    trailers |= _text(received)
                case h2.events.DataReceived(data=part, flow_controlled_length=length):
                    answer += part
                    if len(answer) > _MOST_ANSWER:
                        raise CallFailed(8, "grpc: received message larger than max")
                    self._http.acknowledge_received_data(length or 0, stream)
                    await self._flush()
                case h2.events.StreamEnded():
                    return _status(answer, trailers)
                case h2.events.StreamReset(error_code=code):
                    words = f"stream terminated by RST_STREAM with error code: {code}"
                    raise CallFailed(_UNAVAILABLE, words)

    async def _next(self) -> h2.events.Event:
        while not self._events:
            received = await self._connection.receive()
            if not received:
                raise CallFailed(_UNAVAILABLE, "error reading from server: EOF")
            try:
                self._events += self._http.receive_data(received)
            except (h2.exceptions.H2Error, UnicodeError) as error:
                raise CallFailed(_UNAVAILABLE, f"connection error: {error}") from error
            await self._flush()
        event = self._events.pop(0)
        if isinstance(event, h2.events.ConnectionTerminated):
            raise CallFailed(_UNAVAILABLE, "the server is going away")
        return event

    async def _flush(self) -> None:
        if pending := self._http.data_to_send():
            await self._connection.send(pending)

    def close(self) -> None:
        self._connection.close()


def _text(headers: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers}  # type: ignore[attr-defined]


def _status(answer: bytes, trailers: dict[str, str]) -> int:
    if trailers.get(":status") != "200" and "grpc-status" not in trailers:
        code = _UNIMPLEMENTED if trailers.get(":status") == "404" else _UNKNOWN
        words = f"unexpected HTTP status code received from server: {trailers.get(':status')}"
        raise CallFailed(code, words)
    code_text = trailers.get("grpc-status", "2")
    code = int(code_text) if code_text.isascii() and code_text.isdigit() and len(code_text) < 4 else _UNKNOWN
    if code != _OK:
        raise CallFailed(code, urllib.parse.unquote(trailers.get("grpc-message", "")))
    try:
        return decode_response(answer)
    except (ValueError, IndexError) as error:
        raise CallFailed(13, f"grpc: failed to unmarshal the received message: {error}") from error


def encode_request(service: str) -> bytes:
    """HealthCheckRequest (field 1: service, a string) as one uncompressed gRPC message."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return struct.pack(">BI", 0, len(message)) + message


def decode_response(framed: bytes) -> int:
    """The status of a HealthCheckResponse (field 1, an enum) in one gRPC message. Raises ValueError, IndexError."""
    if len(framed) < 5:
        raise ValueError("the message is cut off")
    compressed, length = struct.unpack(">BI", framed[:5])
    message = framed[5 : 5 + length]
    if compressed or len(message) != length:
        raise ValueError("the message is compressed or cut off")
    status, position = 0, 0
    while position < length:
        tag, position = _read_varint(message, position)
        match tag & 7:
            case 0:
                value, position = _read_varint(message, position)
                status = value if tag >> 3 == 1 else status
            case 1:
                position += 8
            case 2:
                size, position = _read_varint(message, position)
                position += size
            case 5:
                position += 4
            case wire_type:
                raise ValueError(f"wire type {wire_type}")
    return status


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number, shift = 0, 0
    while shift < 70:
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise ValueError("a number is too long")
