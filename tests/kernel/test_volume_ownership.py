"""A volume is given to a group by descriptor, whatever was put into it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.volume import ownership

GID = 4711


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    directory = tmp_path / "volume"
    directory.mkdir(mode=0o700)
    descriptor = os.open(directory, os.O_PATH)
    yield directory, descriptor
    os.close(descriptor)


def owner(path: Path) -> tuple[int, str]:
    status = path.lstat()
    return status.st_gid, f"{stat.S_IMODE(status.st_mode):o}"


def test_all_that_is_in_it_belongs_to_the_group(volume: tuple[Path, int]) -> None:
    directory, descriptor = volume
    (directory / "a" / "b").mkdir(parents=True, mode=0o755)
    (directory / "a" / "file").touch(mode=0o604)
    (directory / "set").touch()
    (directory / "set").chmod(0o4755)
    (directory / "secret").touch(mode=0o400)
    assert ownership.give_to_group(descriptor, GID, unless_root_fits=False)
    assert owner(directory) == (GID, "2770")
    assert owner(directory / "a" / "b") == (GID, "2775")
    assert owner(directory / "a" / "file") == (GID, "664")
    assert owner(directory / "set") == (GID, "4775")
    assert owner(directory / "secret") == (GID, "660")


def test_on_root_mismatch_a_volume_whose_root_fits_is_left_alone(volume: tuple[Path, int]) -> None:
    directory, descriptor = volume
    ownership.give_to_group(descriptor, GID, unless_root_fits=True)
    (directory / "later").touch(mode=0o600)
    os.chown(directory / "later", -1, 0)
    assert not ownership.give_to_group(descriptor, GID, unless_root_fits=True)
    assert owner(directory / "later") == (0, "600")
    directory.chmod(0o770)
    assert ownership.give_to_group(descriptor, GID, unless_root_fits=True)
    assert owner(directory / "later") == (GID, "660")


def test_links_lead_to_nothing_that_is_given_away(volume: tuple[Path, int], tmp_path: Path) -> None:
    directory, descriptor = volume
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "file").touch(mode=0o600)
    (directory / "out").symlink_to(outside)
    (directory / "file").symlink_to(outside / "file")
    ownership.give_to_group(descriptor, GID, unless_root_fits=False)
    assert (owner(outside), owner(outside / "file")) == ((0, "700"), (0, "600"))
    assert owner(directory / "out")[0] == GID


def test_a_file_swapped_for_a_link_meanwhile_leads_nowhere(volume: tuple[Path, int], tmp_path: Path) -> None:
    directory, descriptor = volume
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "file").touch(mode=0o600)
    for number in range(200):
        (directory / f"d{number}").mkdir()
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for number in range(0, 200, 7):
                place, aside = directory / f"d{number}", tmp_path / "aside"
                place.rename(aside)
                place.symlink_to(outside)
                place.unlink()
                place.touch()
                place.unlink()
                place.symlink_to(outside / "file")
                place.unlink()
                aside.rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for gid in range(GID, GID + 20):
            ownership.give_to_group(descriptor, gid, unless_root_fits=False)
    finally:
        done.set()
        swapper.join()
    assert (owner(outside), owner(outside / "file")) == ((0, "700"), (0, "600"))
    assert owner(directory / "d1") == (GID + 19, "2775"), "control"
