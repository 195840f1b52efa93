"""SPDY/3.1 as far as port-forwards of kubectl need it: the server's side of streams that a client opens. Pure.

Source: the SPDY Protocol, draft 3.1, and moby/spdystream, which neither asks for flow control nor heeds it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 3
MOST_CONTROL = 1 << 16  # bytes of one control frame
MOST_HEADERS = 1 << 16  # bytes of one block of headers, inflated
MOST_DATA = (1 << 24) - 1  # bytes of one data frame
CANCEL = 5  # status of RST_STREAM

_SYN_REPLY, _RST_STREAM, _PING = 2, 3, 6
_FIN = 1
_HEAD = 8  # bytes

_WORDS = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin
"""
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split()) + _TEXT.encode()
)
"""What both sides know before the first header, section 2.6.10.1."""


class SpdyError(ValueError):
    """The client does not speak it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Names of headers are in lower case."""

    stream: int
    headers: dict[str, str]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of what was sent; frames come apart where the bytes do."""

    stream: int
    piece: bytes
    is_last: bool


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class Left:
    """The client opens no more streams."""


Event = Opened | Data | Reset | Ping | Left


class Reader:
    """Bytes as they come, to events."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._inflater = zlib.decompressobj(zdict=DICTIONARY)
        self._stream = 0
        self._left = 0  # bytes of the data frame under way
        self._ends = False  # with it ends the stream

    def feed(self, received: bytes) -> Iterator[Event]:
        """SpdyError. All events must be taken before more is fed."""
        self._waiting += received
        while self._waiting:
            if self._left:
                yield self._piece()
                continue
            if len(self._waiting) < _HEAD:
                return
            first, second = struct.unpack_from(">II", self._waiting)
            flags, length = second >> 24, second & MOST_DATA
            if first >> 31:
                if length > MOST_CONTROL:
                    raise SpdyError(f"a control frame of {length} bytes")
                if len(self._waiting) < _HEAD + length:
                    return
                content = bytes(self._waiting[_HEAD : _HEAD + length])
                del self._waiting[: _HEAD + length]
                yield from self._control(first, flags, content)
            else:
                del self._waiting[:_HEAD]
                self._stream, self._left, self._ends = first, length, bool(flags & _FIN)
                if not length:
                    yield Data(first, b"", self._ends)

    def _piece(self) -> Data:
        piece = bytes(self._waiting[: self._left])
        del self._waiting[: len(piece)]
        self._left -= len(piece)
        return Data(self._stream, piece, self._ends and not self._left)

    def _control(self, first: int, flags: int, content: bytes) -> Iterator[Event]:
        if first >> 16 & 0x7FFF != VERSION:
            raise SpdyError("another version of SPDY")
        match first & 0xFFFF:
            case 1:  # SYN_STREAM
                stream = _number(content)
                yield Opened(stream, self._headers(content[10:]), bool(flags & _FIN))
            case 3:  # RST_STREAM
                yield Reset(_number(content))
            case 6:  # PING
                yield Ping(_number(content, mask=0xFFFFFFFF))
            case 7:  # GOAWAY
                yield Left()
            case 8:  # HEADERS: of no use, but the state of their compression is shared
                self._headers(content[4:])

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflater.decompress(block, MOST_HEADERS)
        except zlib.error as error:
            raise SpdyError(str(error)) from None
        if self._inflater.unconsumed_tail:
            raise SpdyError("too many headers")
        words = list(_words(plain))
        return {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=True)}


def _words(plain: bytes) -> Iterator[str]:
    at = 4
    for _ in range(2 * _number(plain)):
        length = _number(plain[at : at + 4])
        if at + 4 + length > len(plain):
            raise SpdyError("headers that end too soon")
        yield plain[at + 4 : at + 4 + length].decode("latin-1")
        at += 4 + length


def _number(content: bytes, mask: int = 0x7FFFFFFF) -> int:
    if len(content) < 4:
        raise SpdyError("a frame that ends too soon")
    return int.from_bytes(content[:4]) & mask


class Writer:
    """Frames of the server."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj()

    def reply(self, stream: int) -> bytes:
        """The stream is taken; there are no headers to tell."""
        block = self._deflater.compress(struct.pack(">I", 0)) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, struct.pack(">I", stream) + block)


def data(stream: int, piece: bytes, *, is_last: bool = False) -> bytes:
    return struct.pack(">II", stream, (_FIN if is_last else 0) << 24 | len(piece)) + piece


def reset(stream: int) -> bytes:
    return _control(_RST_STREAM, struct.pack(">II", stream, CANCEL))


def pong(id: int) -> bytes:
    return _control(_PING, struct.pack(">I", id))


def _control(type_: int, content: bytes) -> bytes:
    return struct.pack(">II", 1 << 31 | VERSION << 16 | type_, len(content)) + content
