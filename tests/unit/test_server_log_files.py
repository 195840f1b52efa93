"""Reading a run's log across rotation, and from its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.server import log_files
from podrun.server.log_entries import Formatter, Selection
from podrun.server.log_frames import Mark
from podrun.shim import log_pump


def entries(*texts: str, tag: str = "F") -> bytes:
    return b"".join(f"2027-01-15T08:00:00.000000000Z stdout {tag} {text}\n".encode() for text in texts)


def text(log: log_files.RunLog) -> bytes:
    formatter = Formatter(Selection())
    parts = []
    while piece := log.read():
        parts.append(formatter.feed(piece))
    return b"".join(parts)


def last(directory: Path, lines: int) -> list[bytes]:
    with log_files.RunLog(directory, 0) as log:
        log.skip_to_last(lines)
        return text(log).splitlines()


def test_rotated_files_come_first_and_other_runs_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "1.log.20270115-080000").write_bytes(entries("a"))
    (tmp_path / "1.log.20270115-080001").write_bytes(entries("b"))
    (tmp_path / "1.log").write_bytes(entries("c"))
    (tmp_path / "0.log").write_bytes(entries("older run"))
    (tmp_path / "1.log.20270115-080000.gz").write_bytes(b"packed")
    (tmp_path / "1.log.20270115-080000.tmp").write_bytes(entries("being packed"))
    with log_files.RunLog(tmp_path, 1) as log:
        assert text(log) == b"a\nb\nc\n"
    assert log_files.attempts(tmp_path) == [0, 1]


def test_what_was_there_when_it_was_opened_has_an_end_whoever_writes_on(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_bytes(entries("a"))
    with log_files.RunLog(tmp_path, 0) as log:
        (tmp_path / "0.log").rename(tmp_path / "0.log.20270115-080000")
        (tmp_path / "0.log").write_bytes(entries("b"))
        assert log.read(onward=False) == entries("a")
        assert log.read(onward=False) == b""
        assert log.read() == entries("b")


def test_no_directory_is_no_text(tmp_path: Path) -> None:
    assert log_files.attempts(tmp_path / "none") == []
    with log_files.RunLog(tmp_path / "none", 0) as log:
        log.skip_to_last(3)
        assert log.read() == b""


def test_a_log_that_comes_later_is_read(tmp_path: Path) -> None:
    with log_files.RunLog(tmp_path, 0) as log:
        assert log.read() == b""
        (tmp_path / "0.log").write_bytes(entries("late"))
        assert text(log) == b"late\n"


@given(rotations=st.lists(st.integers(0, 3), min_size=1, max_size=12), start=st.integers(0, 2))
@settings(max_examples=40)
def test_a_reader_that_keeps_up_misses_nothing_over_rotations(
    tmp_path_factory: pytest.TempPathFactory, rotations: list[int], start: int
) -> None:
    """The shim's own writer rotates, several times between two looks; the reader has what every file held."""
    directory = tmp_path_factory.mktemp("log")
    writer = log_pump.LogFile(str(directory / "0.log"), most_bytes=1, most_files=100)
    written = 0

    def write(count: int) -> None:
        nonlocal written
        for _ in range(count):
            writer.append(entries(str(written)))  # each one begins a new file
            written += 1

    write(start)
    with log_files.RunLog(directory, 0) as log:
        found = b""
        for count in rotations:
            write(count)
            found += text(log)
    writer.close()
    assert found.split() == [str(number).encode() for number in range(written)]


def test_files_thrown_away_meanwhile_leave_a_gap_and_no_more(tmp_path: Path) -> None:
    writer = log_pump.LogFile(str(tmp_path / "0.log"), most_bytes=1, most_files=3)
    with log_files.RunLog(tmp_path, 0) as log:
        writer.append(entries("0"))
        assert text(log) == b"0\n"
        for number in range(1, 10):
            writer.append(entries(str(number)))
        assert text(log).split() == [b"7", b"8", b"9"]
    writer.close()


@given(rotations=st.lists(st.integers(1, 3), min_size=1, max_size=8), block=st.integers(1, 200))
@settings(max_examples=40)
def test_a_reader_goes_on_at_its_mark_over_rotations(
    tmp_path_factory: pytest.TempPathFactory, rotations: list[int], block: int
) -> None:
    """However little of an entry was read, and whatever was rotated away before the next reader comes."""
    directory = tmp_path_factory.mktemp("log")
    writer = log_pump.LogFile(str(directory / "0.log"), most_bytes=150, most_files=100)
    written, found = 0, b""
    mark: Mark | None = None
    for count in rotations:
        for _ in range(count):
            writer.append(entries(str(written)))
            written += 1
        with pytest.MonkeyPatch.context() as patch, log_files.RunLog(directory, 0) as log:
            patch.setattr(log_files, "BLOCK", block)
            if mark is not None:
                log.go_to(mark)
            formatter = Formatter(Selection())
            for _ in range(3):
                found += formatter.feed(log.read())
            mark = log.mark(formatter.pending)
    with log_files.RunLog(directory, 0) as log:
        assert mark is not None
        log.go_to(mark)
        found += text(log)
    writer.close()
    assert found.split() == [str(number).encode() for number in range(written)]


def test_a_mark_in_a_file_that_is_gone_leads_to_what_came_after_it(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_bytes(entries("a"))
    with log_files.RunLog(tmp_path, 0) as log:
        log.read()
        mark = log.mark(0)
    assert mark is not None
    (tmp_path / "0.log").write_bytes(entries("b", "c").replace(b"2027", b"2028"))  # the inode was given anew
    with log_files.RunLog(tmp_path, 0) as log:
        log.go_to(mark)
        assert text(log) == b"b\nc\n"


def test_the_last_lines_are_found_over_several_files(tmp_path: Path) -> None:
    (tmp_path / "0.log.20270115-080000").write_bytes(entries("a", "b"))
    (tmp_path / "0.log").write_bytes(entries("c", "d"))
    for count, expected in (
        (0, []),
        (1, [b"d"]),
        (2, [b"c", b"d"]),
        (3, [b"b", b"c", b"d"]),
        (9, [b"a", b"b", b"c", b"d"]),
    ):
        assert last(tmp_path, count) == expected


def test_partial_entries_count_as_one_line(tmp_path: Path) -> None:
    (tmp_path / "0.log.20270115-080000").write_bytes(entries("a") + entries("b", tag="P"))
    (tmp_path / "0.log").write_bytes(entries("b", tag="P") + entries("b") + entries("c", tag="P"))
    assert last(tmp_path, 1) == [b"c"]
    assert last(tmp_path, 2) == [b"bbb", b"c"]
    assert last(tmp_path, 3) == [b"a", b"bbb", b"c"]


@given(
    lengths=st.lists(st.integers(0, 60), max_size=12),
    tags=st.lists(st.sampled_from("FP"), min_size=12, max_size=12),
    count=st.integers(0, 14),
    torn=st.booleans(),
)
@settings(max_examples=40)
def test_the_last_lines_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], tags: list[str], count: int, torn: bool
) -> None:
    """With blocks so small that entries lie across them."""
    directory = tmp_path_factory.mktemp("log")
    pairs = list(zip(lengths, tags, strict=False))
    log = b"".join(entries("x" * length, tag=tag) for length, tag in pairs)
    (directory / "0.log").write_bytes(log + (b"2027-01" if torn else b""))
    lines = [b""]
    for length, tag in pairs:
        lines[-1] += b"x" * length
        if tag == "F":
            lines[-1] += b"\n"
            lines.append(b"")
    if not pairs or pairs[-1][1] == "F":
        lines.pop()  # Else the last line is an unfinished one, which counts.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_files, "BLOCK", 32)
        with log_files.RunLog(directory, 0) as opened:
            opened.skip_to_last(count)
            assert text(opened) == b"".join(lines[max(len(lines) - count, 0) :])
