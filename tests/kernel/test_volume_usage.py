"""Measuring what a volume takes, however its contents were shaped."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from podrun.image import removal
from podrun.volume import usage, walk
from tests import descriptors


def du(directory: Path) -> int:
    out = subprocess.run(["du", "-sx", "--block-size=1", directory], capture_output=True, text=True, check=True)
    return int(out.stdout.split()[0])


def test_it_counts_as_du_does(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "a" / "b").mkdir(parents=True)
    (volume / "a" / "file").write_bytes(b"x" * 100_000)
    os.link(volume / "a" / "file", volume / "a" / "b" / "again")
    with (volume / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (volume / "out").symlink_to("/usr")
    os.mkfifo(volume / "fifo")
    found = usage.measure_path(str(volume))
    assert found.bytes == du(volume)
    assert found.inodes == 7


def test_what_is_mounted_inside_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    before = usage.measure_path(str(tmp_path)).bytes
    subprocess.run(["mount", "-t", "tmpfs", "inner", tmp_path / "inner"], check=True)
    try:
        (tmp_path / "inner" / "big").write_bytes(b"x" * 1_000_000)
        assert usage.measure_path(str(tmp_path)).bytes <= before
    finally:
        subprocess.run(["umount", tmp_path / "inner"], check=True)


def test_no_tree_is_too_deep(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    current = os.open(volume, os.O_RDONLY)
    for level in range(3000):
        for name in ("d", "beside") if level % 500 == 0 else ("d",):
            os.mkdir(name, dir_fd=current)
        following = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = following
    os.close(current)
    before = descriptors.count()
    found = usage.measure_path(str(volume))
    after = descriptors.count()
    removal.remove_tree(volume, aside=tmp_path)
    assert found.inodes == 1 + 3000 + 6
    assert after == before


class Growing:
    """A program that is always ahead of who walks its tree."""

    def directory(self, descriptor: int, status: os.stat_result) -> None:
        os.mkdir("deeper", dir_fd=descriptor)

    def other(self, parent: int, name: str, status: os.stat_result) -> None:
        raise AssertionError


def test_a_tree_that_grows_while_it_is_walked_holds_nobody_up(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    descriptor = os.open(volume, os.O_RDONLY)
    with pytest.raises(walk.TakesTooLongError, match="too many files"):
        walk.walk(descriptor, Growing(), 0.1)
    os.close(descriptor)
    whole = usage.measure_path(str(volume))
    assert 1 <= usage.measure_path(str(volume), patience=0).inodes < whole.inodes, "at least so many"
    removal.remove_tree(volume, aside=tmp_path)


def test_a_tree_that_is_rearranged_meanwhile_leads_nowhere_else(tmp_path: Path) -> None:
    """Measured in part perhaps, but to an end, and never outside."""
    volume = tmp_path / "volume"
    deep = volume.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for number in range(500):
        (tmp_path / "outside" / str(number)).touch()
    done = threading.Event()

    def rearrange() -> None:
        inner = volume.joinpath(*["d"] * 100)
        while not done.is_set():
            inner.rename(volume / "moved")
            inner.symlink_to(tmp_path / "outside")
            inner.unlink()
            (volume / "moved").rename(inner)

    mover = threading.Thread(target=rearrange)
    mover.start()
    try:
        for _ in range(100):
            assert usage.measure_path(str(volume)).inodes < 500
    finally:
        done.set()
        mover.join()
