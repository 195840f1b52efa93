"""A log file on a disk that fills up, and that is emptied again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.linux import mount
from podrun.shim.log_pump import LogFile


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    mount.mount("none", str(tmp_path), "tmpfs", data="size=64k")
    yield tmp_path
    mount.umount_detach(str(tmp_path))


def test_a_full_disk_drops_whole_lines_and_the_log_goes_on_afterwards(disk: Path) -> None:
    file = LogFile(str(disk / "0.log"))
    line = b"x" * 99 + b"\n"
    for _ in range(20):
        file.append(line * 64)
    full = (disk / "0.log").read_bytes()
    assert 60_000 < len(full) <= 65536
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
