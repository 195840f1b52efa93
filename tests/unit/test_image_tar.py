"""The tar reader sees what other tars write, and says what is wrong with what none would write."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.image import streams
from podrun.image.errors import BadImage
from podrun.image.streams import HashedStream
from podrun.image.tar import Entry, Kind, TarReader


def name_by_reason(value: object) -> str:
    """The contents are too long to name a test by."""
    return value if isinstance(value, str) else ""


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=300).filter(
    lambda name: name not in (".", "..")
)
members = st.lists(
    st.tuples(
        names, st.binary(max_size=2000), st.integers(0, 0o7777), st.integers(0, 2**32 - 2), st.integers(0, 2**34)
    ),
    max_size=5,
)


def read(archive: bytes, piece: int = 10_000) -> list[tuple[Entry, bytes]]:
    reader = TarReader(HashedStream(archive[at : at + piece] for at in range(0, len(archive), piece)))
    return [(entry, b"".join(reader.content())) for entry in reader]


def write(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@settings(max_examples=60)
@given(members, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.integers(1, 3000))
def test_what_pythons_tarfile_writes_is_read_back(
    files: list[tuple[str, bytes, int, int, int]], form: int, piece: int
) -> None:
    entries = []
    for name, content, mode, owner, time in files:
        entry = tarfile.TarInfo(name)
        entry.mode, entry.uid, entry.gid, entry.mtime = mode, owner, owner, time
        entries.append((entry, content))
    found = read(write(*entries, form=form), piece)
    seen = [(e.name, content, e.mode, e.uid, e.mtime_ns // 10**9) for e, content in found]
    assert seen == files


@settings(max_examples=200)
@given(st.data())
def test_damaged_bytes_end_in_a_reason_and_nothing_else(data: st.DataObject) -> None:
    entry = tarfile.TarInfo("a/" * 70 + "b")
    entry.pax_headers = {"SCHILY.xattr.user.x": "y", "mtime": "1.5"}
    archive = bytearray(write((entry, b"content"), form=data.draw(st.sampled_from([0, 1, 2]))))
    for at in data.draw(st.lists(st.integers(0, 3000), max_size=4)):
        if at < len(archive):
            archive[at] = data.draw(st.integers(0, 255))
    try:
        read(bytes(archive[: data.draw(st.integers(0, len(archive)))]))
    except BadImage as error:
        assert str(error)  # noqa: PT017


def test_extended_attributes_and_times_come_as_bytes_and_nanoseconds() -> None:
    entry = tarfile.TarInfo("x")
    value = b"\x01\x00\x00\x02\xff".decode("utf-8", "surrogateescape")
    entry.pax_headers = {"SCHILY.xattr.security.capability": value, "mtime": "12.000000034"}
    [(found, _)] = read(write((entry, b"")))
    assert found.xattrs == {"security.capability": b"\x01\x00\x00\x02\xff"}
    assert found.mtime_ns == 12_000_000_034


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_gnu_tars_sparse_files_are_read(tmp_path: Path, form: str) -> None:
    with (tmp_path / "holes").open("wb") as file:
        for number in range(10):
            file.seek(number * 1_000_000)
            file.write(b"%d" % number * 4096)
        file.truncate(50_000_000)
    command = ["tar", "-C", tmp_path, f"--format={form}", "--sparse", "-cf", tmp_path / "a.tar", "holes"]
    subprocess.run(command, check=True)
    [(entry, content)] = read((tmp_path / "a.tar").read_bytes())
    assert (entry.name, entry.size) == ("holes", 50_000_000)
    assert entry.extents is not None
    whole = bytearray(entry.size)
    for offset, length in entry.extents:
        whole[offset : offset + length], content = content[:length], content[length:]
    assert bytes(whole) == (tmp_path / "holes").read_bytes()


def raw(name: bytes = b"x", kind: bytes = b"0", size: bytes = b"0", **at: bytes) -> bytes:
    """A header with a right checksum, whatever is in it."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    for offset, value in at.items():
        start = int(offset[1:])
        block[start : start + len(value)] = value
    block[148:156] = b"%06o\0 " % (sum(block) + 8 * 32 - sum(block[148:156]))
    return bytes(block)


def pax(record: bytes) -> bytes:
    return raw(kind=b"x", size=b"%o" % len(record)) + record.ljust(512, b"\0") + raw() + b"\0" * 1024


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"this is not a tar archive at all" * 100, "not a tar archive"),
        (b"short", "cut off"),
        (raw(size=b"1000") + b"x" * 100, "cut off"),
        (raw(kind=b"L", size=b"77777777777"), "more than the 65536 that are allowed"),
        (raw(kind=b"x", size=b"77777777777"), "more than the 1048576 that are allowed"),
        (raw(kind=b"x", size=b"0"), "ends after an extended header"),
        (raw(kind=b"Q"), "unknown type b'Q'"),
        (raw(size=b"\xff" * 12), "out of range"),
        (raw(size=b"9"), "malformed number"),
        (raw(_108=b"\x80" + b"\0" * 3 + b"\xff" * 4), "no user or group id"),
        (pax(b"0 a=b\n"), "damaged extended header"),
        (pax(b"99 a=b\n"), "damaged extended header"),
        (pax(b"6 a=b\n\n"), "damaged extended header"),
        (pax(b"99999999999999999999 a=b\n"), "damaged extended header"),
        (pax(b"11 path=a\0b\n"), "damaged extended header"),
        (pax(b"12 path=a\0b\n"), "NUL in its name"),
        (pax(b"10 size=x\n"), "malformed number"),
        (pax(b"11 size=-1\n"), "malformed number"),
        (pax(b"12 mtime=x1\n"), "malformed time"),
        (pax(b"22 GNU.sparse.major=0\n"), "another format than GNU 1.0"),
        (raw(kind=b"S", _386=b"00000000000 77777777777 ", _483=b"00000000001 "), "does not fit its size"),
    ],
    ids=name_by_reason,
)
def test_what_is_wrong_with_an_archive_is_said(archive: bytes, why: str) -> None:
    with pytest.raises(BadImage) as caught:
        read(archive)
    assert why in str(caught.value)


def test_links_and_directories_announce_no_content() -> None:
    archive = raw(name=b"d", kind=b"5", size=b"1000") + raw(name=b"l", kind=b"1", size=b"1000") + b"\0" * 1024
    assert [(entry.name, entry.kind) for entry, _ in read(archive)] == [("d", Kind.DIRECTORY), ("l", Kind.HARD_LINK)]


# -- decompression


def decompress(tmp_path: Path, content: bytes) -> bytes:
    (tmp_path / "stream").write_bytes(content)
    with (tmp_path / "stream").open("rb", buffering=0) as file:
        return b"".join(streams.decompressed(file))


CONTENT = bytes(range(256)) * 10_000
PRESSED = gzip.compress(CONTENT, mtime=0)  # names of tests must not change with the time


@pytest.mark.parametrize(
    "tail", [b"", b"\0" * 600, gzip.compress(b"", mtime=0)], ids=["alone", "padded", "and an empty member"]
)
def test_gzip_is_decompressed_with_all_its_members(tmp_path: Path, tail: bytes) -> None:
    assert decompress(tmp_path, PRESSED + PRESSED + tail) == CONTENT * 2


def test_zstd_is_decompressed(tmp_path: Path) -> None:
    compressed = subprocess.run(["zstd", "-c"], input=CONTENT, stdout=subprocess.PIPE, check=True).stdout
    assert decompress(tmp_path, compressed) == CONTENT
    with pytest.raises(BadImage, match="the zstd stream is damaged"):
        decompress(tmp_path, compressed[:-10])


@pytest.mark.parametrize("content", [b"", b"abc", CONTENT, PRESSED], ids=["none", "few", "plain", "gzip"])
def test_a_pipe_is_read_as_it_comes(content: bytes) -> None:
    process = subprocess.Popen(
        ["sh", "-c", "head -c 1; sleep 0.05; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdout, ThreadPoolExecutor() as pool:
        writing = pool.submit(lambda: (process.stdin.write(content), process.stdin.close()))
        with open(process.stdout.fileno(), "rb", buffering=0, closefd=False) as pipe:
            read = b"".join(streams.decompressed(pipe))
        writing.result()
    assert read == (CONTENT if content[:2] == b"\x1f\x8b" else content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (PRESSED[:-5], "cut off"),
        (PRESSED + b"rest", "damaged"),
        (PRESSED[:100] + b"xxxx" + PRESSED[104:], "damaged"),
        (PRESSED[:-8] + b"\0" * 8, "damaged"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00\x00", "compressed with xz"),
    ],
    ids=name_by_reason,
)
def test_a_damaged_or_unknown_compression_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(BadImage, match=why):
        decompress(tmp_path, content)


def test_a_stream_of_zeros_comes_in_bounded_pieces(tmp_path: Path) -> None:
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    (tmp_path / "bomb").write_bytes(bomb)
    with (tmp_path / "bomb").open("rb", buffering=0) as file:
        assert max(map(len, streams.decompressed(file))) <= 1 << 20
