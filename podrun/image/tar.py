"""A streaming reader of tar archives (ustar, PAX, GNU long names and sparse files) that trusts nothing it reads.

Headers are bounded before they are read into memory; names are handed on as they stand: confining them is tree.py's.
The format: pax(1) of POSIX.1-2017, and "Basic Tar Format" with its GNU extensions in the GNU tar manual.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from podrun.image.errors import BadImage, shown
from podrun.image.streams import HashedStream

BLOCK = 512
_LONGEST_HEADER = 1 << 20
_LONGEST_NAME = 1 << 16
_MOST_EXTENTS = 100_000
_LATEST = 1 << 34
_XATTR = "SCHILY.xattr."


class Kind(Enum):
    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


_KINDS = {kind.value: kind for kind in Kind} | {
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"D": Kind.DIRECTORY,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. Times in nanoseconds; `size` in bytes is the file's own, holes of a sparse file included."""

    name: str
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    major: int = 0
    minor: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)
    extents: tuple[tuple[int, int], ...] | None = None  # of a sparse file: offset and length of what is stored


class TarReader:
    """Iterates over the entries; `content()` belongs to the entry that came last."""

    def __init__(self, stream: HashedStream) -> None:
        self._stream = stream
        self._remaining = 0
        self._padding = 0
        self._globals: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[Entry]:
        while (header := self._next_header()) is not None:
            extended: dict[str, bytes] = {}
            while (kind := header[156:157]) in (b"x", b"g", b"L", b"K"):
                size = _number(header[124:136])
                body = self._body(size, _LONGEST_HEADER if kind in b"xg" else _LONGEST_NAME)
                match kind:
                    case b"x":
                        extended |= _records(body)
                    case b"g":
                        self._globals |= _records(body)
                    case b"L":
                        extended["path"] = body.split(b"\0", 1)[0]
                    case _:
                        extended["linkpath"] = body.split(b"\0", 1)[0]
                following = self._next_header()
                if following is None:
                    raise BadImage("the tar ends after an extended header")
                header = following
            yield self._entry(header, self._globals | extended)

    def content(self) -> Iterator[memoryview]:
        """The stored bytes of the latest entry, in pieces. Raises BadImage where the archive is cut off."""
        while self._remaining:
            for piece in self._stream.pieces(self._remaining):
                self._remaining -= len(piece)
                yield piece
            if self._remaining:
                raise BadImage("the tar is cut off")

    def _next_header(self) -> bytes | None:
        left = self._remaining + self._padding
        self._remaining = self._padding = 0
        if self._stream.skip(left) != left:
            raise BadImage("the tar is cut off")
        header = self._stream.read(BLOCK)
        # One block of zeros ends an archive (there should be two); a bare end of file is tolerated, as everywhere.
        if not header.strip(b"\0"):
            return None
        if len(header) < BLOCK:
            raise BadImage("the tar is cut off")
        checked = header[:148] + b" " * 8 + header[156:]
        if _number(header[148:156]) != sum(checked):
            raise BadImage("not a tar archive, or a damaged one: a header's checksum is wrong")
        return header

    def _body(self, size: int, limit: int) -> bytes:
        if size > limit:
            raise BadImage(f"an extended header has {size} bytes, more than the {limit} that are allowed")
        padded = -(-size // BLOCK) * BLOCK
        body = self._stream.read(padded)
        if len(body) < padded:
            raise BadImage("the tar is cut off")
        return body[:size]

    def _entry(self, header: bytes, pax: dict[str, bytes]) -> Entry:
        name = _text(pax.get("GNU.sparse.name") or pax.get("path") or _header_name(header))
        kind = _KINDS.get(header[156:157])
        if kind is None:
            raise BadImage(f"entry {shown(name)} has the unknown type {header[156:157]!r}")
        if header[156:157] == b"\0" and name.endswith("/"):
            kind = Kind.DIRECTORY  # as it was written before ustar had a type for it
        stored = _decimal(pax["size"]) if "size" in pax else _number(header[124:136])
        if kind is not Kind.FILE:
            stored = 0  # the size field of a link or directory announces no content
        self._remaining, self._padding = stored, -stored % BLOCK
        size, extents = self._sparse(header, pax, stored)
        is_device = kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE)
        return Entry(
            name=name,
            kind=kind,
            mode=_number(header[100:108]) & 0o7777,
            uid=_identity(_decimal(pax["uid"]) if "uid" in pax else _number(header[108:116])),
            gid=_identity(_decimal(pax["gid"]) if "gid" in pax else _number(header[116:124])),
            size=size,
            mtime_ns=_time(pax["mtime"]) if "mtime" in pax else _seconds(header[136:148]) * 10**9,
            target=_text(pax.get("linkpath") or header[157:257].split(b"\0", 1)[0]),
            major=_number(header[329:337]) if is_device else 0,
            minor=_number(header[337:345]) if is_device else 0,
            xattrs={key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)},
            extents=extents,
        )

    def _sparse(
        self, header: bytes, pax: dict[str, bytes], stored: int
    ) -> tuple[int, tuple[tuple[int, int], ...] | None]:
        """The real size of the file and its extents, None where it isn't sparse."""
        if header[156:157] == b"S":
            extents, size = self._old_gnu_extents(header), _number(header[483:495])
        elif "GNU.sparse.major" in pax:
            if (pax["GNU.sparse.major"], pax.get("GNU.sparse.minor")) != (b"1", b"0"):
                raise BadImage("a sparse file in another format than GNU 1.0", hint="make the tar without --sparse")
            extents, size = self._gnu_1_0_extents(), _decimal(pax.get("GNU.sparse.realsize", b""))
            stored = self._remaining
        elif any(key.startswith("GNU.sparse.") for key in pax):
            raise BadImage("a sparse file in another format than GNU 1.0", hint="make the tar without --sparse")
        else:
            return stored, None
        if sum(length for _, length in extents) != stored or any(offset + length > size for offset, length in extents):
            raise BadImage("a sparse file whose map does not fit its size")
        return size, tuple(extents)

    def _old_gnu_extents(self, header: bytes) -> list[tuple[int, int]]:
        fields, more = header[386:482], header[482]
        while more:
            block = self._stream.read(BLOCK)
            if len(block) < BLOCK:
                raise BadImage("the tar is cut off")
            fields, more = fields + block[:504], block[504]
            _check_extents(len(fields) // 24)
        pairs = (fields[at : at + 24] for at in range(0, len(fields), 24))
        return [(_number(pair[:12]), _number(pair[12:])) for pair in pairs if pair.strip(b"\0 ")]

    def _gnu_1_0_extents(self) -> list[tuple[int, int]]:
        """The map stands in front of the content, as decimal lines in whole blocks."""
        lines: list[bytes] = []
        rest, count = b"", 1
        while len(lines) < count:
            if self._remaining < BLOCK:
                raise BadImage("a sparse file with a cut off map")
            block = rest + self._stream.read(BLOCK)
            self._remaining -= BLOCK
            *whole, rest = block.split(b"\n")
            lines += whole
            if len(rest) > 32 and len(lines) < count:
                raise BadImage("a sparse file with a damaged map")
            if lines:
                _check_extents(_decimal(lines[0]))
                count = 1 + 2 * _decimal(lines[0])
        numbers = [_decimal(line) for line in lines[1:count]]
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _check_extents(count: int) -> None:
    if count > _MOST_EXTENTS:
        raise BadImage(f"a sparse file in more than {_MOST_EXTENTS} pieces")


def _header_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _records(body: bytes) -> dict[str, bytes]:
    """PAX records: `<length> <key>=<value>\\n`, where the length counts the whole record."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(body) and body[at]:
        match = re.compile(rb"([0-9]{1,9}) ").match(body, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(body) or body[end - 1 : end] != b"\n":
            raise BadImage("a damaged extended header")
        key, equals, value = body[match.end() : end - 1].partition(b"=")
        if not equals:
            raise BadImage("a damaged extended header")
        records[key.decode("utf-8", "surrogateescape")] = value
        at = end
    return records


def _number(digits: bytes) -> int:
    """An octal number, or GNU's base 256 where the first bit is set."""
    if digits[0] & 0x80:
        value = int.from_bytes(digits, "big") - (0x80 << 8 * (len(digits) - 1))
        if digits[0] & 0x40 or value >= 1 << 63:
            raise BadImage("a header with a number out of range")
        return value
    text = digits.replace(b"\0", b" ").strip()
    if not re.fullmatch(rb"[0-7]*", text):
        raise BadImage("not a tar archive, or a damaged one: a header has a malformed number")
    return int(text or b"0", 8)


def _decimal(digits: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,18}", digits):
        raise BadImage("an extended header with a malformed number")
    return int(digits)


def _seconds(digits: bytes) -> int:
    if digits[0] == 0xFF:  # GNU, before 1970
        return max(int.from_bytes(digits, "big", signed=True), -_LATEST)
    return min(_number(digits), _LATEST)


def _time(digits: bytes) -> int:
    match = re.fullmatch(rb"(-?)([0-9]{1,18})(?:\.([0-9]*))?", digits)
    if match is None:
        raise BadImage("an extended header with a malformed time")
    seconds = min(int(match[2]), _LATEST)
    nanoseconds = int((match[3] or b"")[:9].ljust(9, b"0"))
    value = seconds * 10**9 + nanoseconds
    return -value if match[1] else value


def _identity(number: int) -> int:
    if number >= 0xFFFFFFFF:  # (uid_t)-1 tells chown(2) to change nothing
        raise BadImage(f"an entry is owned by {number}, which is no user or group id")
    return number


def _text(name: bytes) -> str:
    if b"\0" in name:
        raise BadImage("an entry has a NUL in its name")
    return os.fsdecode(name)
