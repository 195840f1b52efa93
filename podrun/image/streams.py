"""Bytes on their way from an archive: decompressed on the fly, hashed, and cut as the reader wants them.

It knows gzip, zstd (by the zstd program) and plain bytes, told apart by their first bytes whatever a media type says.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from podrun.image.errors import BadImage

CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LONGEST_MAGIC = 6
_UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4", b"PK\x03\x04": "zip"}
# Enough for every level that image builders use; a frame that asks for more is not a layer but an attack.
_ZSTD_MEMORY = "--memory=134217728"


def compression(first: bytes) -> str:
    """`gzip`, `zstd` or `none`, by a file's first bytes. Raises BadImage for a compression that no image uses."""
    if first.startswith(_GZIP):
        return "gzip"
    if first.startswith(_ZSTD):
        return "zstd"
    for magic, name in _UNSUPPORTED.items():
        if first.startswith(magic):
            raise BadImage(
                f"it is compressed with {name}",
                hint=f"decompress it first: podrun reads tar, tar.gz and tar.zst, not {name}",
            )
    return "none"


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file, as it is."""
    while chunk := file.read(CHUNK):
        yield chunk


def decompressed(file: BinaryIO) -> Iterator[bytes]:
    """The decompressed rest of a file or pipe, in chunks. Raises BadImage where it is damaged or cut off."""
    first = next(chunks(file), b"")
    while len(first) < _LONGEST_MAGIC and (more := file.read(CHUNK)):
        first += more
    match compression(first):
        case "gzip":
            yield from _gunzip(itertools.chain([first], chunks(file)))
        case "zstd":
            if not file.seekable():
                raise BadImage("it is compressed with zstd and comes from a pipe", hint="save it to a file first")
            file.seek(-len(first), os.SEEK_CUR)
            yield from _unzstd(file)
        case _:
            yield first
            yield from chunks(file)


def _gunzip(source: Iterator[bytes]) -> Iterator[bytes]:
    pending = b""
    try:
        while pending := (pending or next(source, b"")):
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                pending = pending or next(source, b"")
                if not pending:
                    raise BadImage("the gzip stream is cut off")
                # Bounded output: a chunk of zeros may stand for a thousand times its size.
                if chunk := member.decompress(pending, 4 * CHUNK):
                    yield chunk
                pending = member.unconsumed_tail
            pending = (member.unused_data or next(source, b"")).lstrip(b"\0")
    except zlib.error as error:
        raise BadImage(f"the gzip stream is damaged: {error}") from error


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    try:
        process = subprocess.Popen(
            ["zstd", "-dcq", _ZSTD_MEMORY], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise BadImage("it is compressed with zstd and there is no zstd program", hint="apt install zstd") from error
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield from chunks(process.stdout)  # type: ignore[arg-type]
        # zstd says at most a line or two: the pipe holds it until here.
        complaint = process.stderr.read(4096).decode(errors="replace").strip()
        if process.wait() != 0:
            raise BadImage(f"the zstd stream is damaged: {complaint or process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


class HashedStream:
    """Chunks read as a stream; every byte that passes goes into a sha256."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._chunk = memoryview(b"")
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end. The caller bounds `size`: all of it is held in memory."""
        if len(self._chunk) >= size:
            taken, self._chunk = bytes(self._chunk[:size]), self._chunk[size:]
            return taken
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes as they come, without copying; fewer only at the end."""
        while size > 0 and (self._chunk or self._fill()):
            piece = self._chunk[:size]
            self._chunk = self._chunk[size:]
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> int:
        """Passes over `size` bytes; returns how many there were."""
        return sum(map(len, self.pieces(size)))

    def digest(self) -> str:
        """`sha256:<hex>` of the whole stream, read to its end first."""
        while self._fill():
            pass
        return f"sha256:{self._sha256.hexdigest()}"

    def close(self) -> None:
        """Ends the source at once, with a decompressor that may be running."""
        if hasattr(self._source, "close"):
            with contextlib.suppress(BadImage):
                self._source.close()

    def _fill(self) -> bool:
        chunk = next(self._source, b"")
        self._sha256.update(chunk)
        self._chunk = memoryview(chunk)
        return bool(chunk)
