"""Journals and logs on a disk that fills up, and that is emptied again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.linux import mount
from podrun.shim import facts, journal
from podrun.shim.log_pump import LogFile

BOOT = "8d6e4a5c-0000-4000-8000-000000000001"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    mount.mount("none", str(tmp_path), "tmpfs", data="size=256k")
    yield tmp_path
    mount.umount_detach(str(tmp_path))


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    assert os.statvfs(disk).f_bavail == 0
    return ballast


def exited(attempt: int) -> facts.Exited:
    return facts.Exited("web", attempt, "f" * 64, 0, 0, False, 2.5)


def test_a_full_disk_loses_no_exit_code(disk: Path) -> None:
    path = str(disk / "journal")
    book = journal.Journal(path, BOOT)
    book.append(exited(0))
    fill(disk)
    told = [numbered for attempt in range(1, 41) for numbered in book.append(exited(attempt))]
    assert len(told) == 40
    assert [numbered.fact for numbered in journal.read(path, BOOT)] == [exited(n) for n in range(41)]
    book.close()


def test_facts_beyond_the_reserve_wait_untold_until_there_is_room(disk: Path) -> None:
    path = str(disk / "journal")
    book = journal.Journal(path, BOOT)
    ballast = fill(disk)
    told = [numbered for attempt in range(500) for numbered in book.append(exited(attempt))]
    assert 40 < len(told) < 500
    assert book.has_waiting
    assert journal.read(path, BOOT) == tuple(told)
    ballast.unlink()
    told += book.append()
    assert not book.has_waiting
    assert [numbered.n for numbered in told] == list(range(1, 501))
    assert journal.read(path, BOOT) == tuple(told)
    book.close()


def test_nothing_begins_on_a_full_disk_beyond_the_reserve(disk: Path) -> None:
    book = journal.Journal(str(disk / "journal"), BOOT)
    fill(disk)
    begun = [journal.Begun("web", attempt, "f" * 64, "/g") for attempt in range(1000)]
    with pytest.raises(OSError):
        list(map(book.begin, begun))
    assert 10 < len(book.unfinished()) < 1000
    book.close()


def test_without_room_for_a_second_file_the_old_one_stays(disk: Path) -> None:
    path = disk / "journal"
    book = journal.Journal(str(path), BOOT)
    while path.stat().st_size <= journal.COMPACT_ABOVE:
        book.append(exited(book.last))
    ballast = fill(disk)
    count = book.last
    book.acknowledge(count)
    assert len(journal.read(str(path), BOOT)) == count
    assert sorted(os.listdir(disk)) == ["ballast", "journal"]
    assert book.append(exited(count))
    ballast.unlink()
    book.acknowledge(count)
    assert len(journal.read(str(path), BOOT)) == 1
    assert [numbered.n for numbered in book.append(exited(count + 1))] == [count + 2]
    book.close()


def test_the_reserve_does_not_show_in_the_file(disk: Path) -> None:
    path = disk / "journal"
    book = journal.Journal(str(path), BOOT)
    book.append(exited(0))
    status = path.stat()
    assert status.st_blocks * 512 - status.st_size >= journal.RESERVE // 2
    assert path.read_bytes().endswith(b"}\n")
    book.close()


def test_a_full_disk_drops_whole_lines_and_the_log_goes_on_afterwards(disk: Path) -> None:
    file = LogFile(str(disk / "0.log"))
    line = b"x" * 99 + b"\n"
    for _ in range(60):
        file.append(line * 64)
    full = (disk / "0.log").read_bytes()
    assert 250_000 < len(full) <= 256 << 10
    assert set(full.splitlines(keepends=True)) == {line}
    (disk / "0.log").write_bytes(b"")
    file.append(b"again\n")
    assert (disk / "0.log").read_bytes() == b"again\n"
    file.close()


def test_rotation_on_a_full_disk_does_not_stop_the_log(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 50_000)
    file = LogFile(str(disk / "0.log"), most_bytes=4000)
    for _ in range(50):
        file.append(b"y" * 999 + b"\n")
    ballast.unlink()
    file.append(b"z" * 999 + b"\n")
    assert (disk / "0.log").read_bytes().endswith(b"z\n")
    file.close()
