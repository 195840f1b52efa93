"""How output becomes entries of a log file, and how log files are rotated."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from podrun.shim import log_pump
from podrun.shim.log_pump import LONGEST_LINE, LogFile, LogStream, format_entries

ENTRY = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) (.*)", re.DOTALL)
HEAD = b"T stdout "


def text_of(log: bytes) -> bytes:
    """What the program wrote, put together again as `kubectl logs` does."""
    parts = []
    for line in log.split(b"\n")[:-1]:
        match = ENTRY.fullmatch(line)
        assert match, line
        parts.append(match[4] + (b"\n" if match[3] == b"F" else b""))
    return b"".join(parts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


def stream(file: LogFile) -> tuple[LogStream, int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return LogStream(reader, "stdout", file), writer


def test_each_line_becomes_an_entry() -> None:
    assert format_entries(b"one\n\ntwo\nthr", HEAD) == (b"T stdout F one\nT stdout F \nT stdout F two\n", b"thr")


def test_nothing_is_written_before_a_line_ends() -> None:
    assert format_entries(b"one", HEAD) == (b"", b"one")


def test_a_long_line_is_cut_into_parts_of_16_kib() -> None:
    line = os.urandom(40 << 10).replace(b"\n", b" ")
    entries, rest = format_entries(b"a\n" + line + b"\nb\n", HEAD)
    assert rest == b""
    tags = [entry[9:10] for entry in entries.split(b"\nT stdout ")]
    assert entries.count(b"T stdout P ") == 2
    assert len(tags) == 5
    whole = entries.replace(b"T stdout ", b"")
    assert whole == b"F a\nP " + line[:16384] + b"\nP " + line[16384:32768] + b"\nF " + line[32768:] + b"\nF b\n"


@pytest.mark.parametrize("length", [LONGEST_LINE - 1, LONGEST_LINE])
def test_a_line_of_just_16_kib_is_one_entry(length: int) -> None:
    assert format_entries(b"x" * length + b"\n", HEAD) == (b"T stdout F " + b"x" * length + b"\n", b"")


def test_a_line_one_byte_longer_is_two_entries() -> None:
    entries, _ = format_entries(b"x" * (LONGEST_LINE + 1) + b"\n", HEAD)
    assert entries == b"T stdout P " + b"x" * LONGEST_LINE + b"\nT stdout F x\n"


def test_an_unfinished_line_longer_than_16_kib_is_written_in_parts() -> None:
    entries, rest = format_entries(b"x" * (LONGEST_LINE * 2 + 5), HEAD)
    assert entries.count(b" P ") == 2
    assert rest == b"x" * 5


def test_any_bytes_come_through_as_they_were(path: Path) -> None:
    chance = random.Random(7)
    file = LogFile(str(path))
    pump, writer = stream(file)
    sent = b""
    for _ in range(300):
        size = chance.choice([1, 10, 1000, 20000, 60000])
        chunk = chance.randbytes(size) if chance.random() < 0.5 else b"x" * size + b"\n" * chance.randint(0, 2)
        os.write(writer, chunk)
        sent += chunk
        assert pump.pump()
    os.close(writer)
    assert not pump.pump()
    assert text_of(path.read_bytes()) == sent
    assert all(len(ENTRY.fullmatch(line)[4]) <= LONGEST_LINE for line in path.read_bytes().split(b"\n")[:-1])  # type: ignore[index]


def test_an_unterminated_last_line_is_tagged_as_a_part(path: Path) -> None:
    pump, writer = stream(LogFile(str(path)))
    os.write(writer, b"bye")
    assert pump.pump()
    os.close(writer)
    assert not pump.pump()
    match = ENTRY.fullmatch(path.read_bytes()[:-1])
    assert match
    assert match.group(3, 4) == (b"P", b"bye")


def test_draining_takes_what_is_there_and_does_not_wait_for_a_writer_that_stays(path: Path) -> None:
    pump, writer = stream(LogFile(str(path)))
    os.write(writer, b"last words\n" * 3000)
    pump.drain()
    os.close(writer)
    assert text_of(path.read_bytes()) == b"last words\n" * 3000


def test_an_empty_pipe_is_no_end(path: Path) -> None:
    pump, writer = stream(LogFile(str(path)))
    assert pump.pump()
    os.close(writer)


def test_the_file_is_for_root_and_its_group(path: Path) -> None:
    LogFile(str(path)).close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_in_the_files_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        LogFile(str(path))
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_file_is_renamed_with_the_time_and_a_new_one_begun(path: Path) -> None:
    file = LogFile(str(path), most_bytes=1000)
    file.append(b"a" * 899 + b"\n")
    file.append(b"b" * 199 + b"\n")
    (rotated,) = (entry for entry in path.parent.iterdir() if entry != path)
    assert re.fullmatch(r"0\.log\.\d{8}-\d{6}", rotated.name)
    assert rotated.read_bytes() == b"a" * 899 + b"\n"
    assert path.read_bytes() == b"b" * 199 + b"\n"


def test_five_files_stay_and_rotations_in_one_second_do_not_overwrite_each_other(path: Path) -> None:
    file = LogFile(str(path), most_bytes=100)
    for number in range(9):
        file.append(b"%d" % number * 89 + b"\n")
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert len(names) == log_pump.MOST_FILES
    assert [(path.parent / name).read_bytes()[:1] for name in names] == [b"8", b"4", b"5", b"6", b"7"]


def test_the_files_of_other_runs_are_left_alone(path: Path) -> None:
    other = path.parent / "10.log"
    other.write_bytes(b"x")
    file = LogFile(str(path), most_bytes=100)
    for _ in range(9):
        file.append(b"x" * 90)
    assert other.exists()


def test_a_batch_bigger_than_a_file_is_kept_whole(path: Path) -> None:
    file = LogFile(str(path), most_bytes=10)
    file.append(b"x" * 100 + b"\n")
    assert path.stat().st_size == 101


def test_all_rotated_files_but_the_newest_are_handed_on(path: Path) -> None:
    handed: list[str] = []
    file = LogFile(str(path), most_bytes=100, most_files=4, compress=handed.append)
    for number in range(3):
        file.append(b"%d" % number * 89 + b"\n")
    rotated = sorted(str(entry) for entry in path.parent.iterdir() if entry != path)
    assert handed == rotated[:1]
    os.rename(rotated[0], rotated[0] + ".gz")
    for number in range(3, 6):
        file.append(b"%d" % number * 89 + b"\n")
    assert len(list(path.parent.iterdir())) == 4
    assert not any(name.endswith(".gz") for name in handed)
