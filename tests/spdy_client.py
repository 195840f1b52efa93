"""The client's half of SPDY/3.1, as kubectl has it: streams are opened with compressed headers."""

from __future__ import annotations

import struct
import zlib

from podrun.server.spdy import DICTIONARY


class Frames:
    """Of one connection, which has one compression."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: dict[str, str], *, is_last: bool = False) -> bytes:
        words = [word.encode() for pair in headers.items() for word in pair]
        plain = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(word)) + word for word in words)
        return self.control(1, struct.pack(">IIH", stream, 0, 0) + self.block(plain), flags=int(is_last))

    def block(self, plain: bytes) -> bytes:
        return self._deflater.compress(plain) + self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def control(self, type_: int, content: bytes, flags: int = 0) -> bytes:
        return struct.pack(">II", 1 << 31 | 3 << 16 | type_, flags << 24 | len(content)) + content
