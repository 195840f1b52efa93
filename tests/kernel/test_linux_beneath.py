"""Opening and making beneath a directory that somebody hostile writes to."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.linux import beneath
from podrun.linux.syscall import SyscallError


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    directory = tmp_path / "volume"
    directory.mkdir(mode=0o700)
    descriptor = os.open(directory, os.O_PATH)
    yield directory, descriptor
    os.close(descriptor)


def place_of(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def test_links_that_stay_inside_are_followed(volume: tuple[Path, int]) -> None:
    directory, root = volume
    (directory / "real").mkdir()
    (directory / "real" / "file").touch()
    (directory / "short").symlink_to("real")
    (directory / "whole").symlink_to(directory / "real")
    for path in ("real/file", "short/file", "whole/file", "./short/../real/file"):
        assert place_of(beneath.open_beneath(root, path)) == str(directory / "real" / "file")


def test_nothing_leads_out_and_nothing_is_made_there(volume: tuple[Path, int], tmp_path: Path) -> None:
    directory, root = volume
    (tmp_path / "volume-beside").mkdir()
    links = {"up": "..", "beside": tmp_path / "volume-beside", "etc": "/etc", "proc": f"/proc/self/fd/{root}/.."}
    for name, target in links.items():
        (directory / name).symlink_to(target)
    (directory / "dangling").symlink_to(tmp_path / "nowhere")
    for path in ("up/new", "beside/new", "etc/podrun-new", "proc/new", "../new", "/new", "dangling/new"):
        for act in (beneath.open_beneath, beneath.make_beneath):
            with pytest.raises(OSError) as caught:
                act(root, path)
            assert caught.value.errno in (errno.EXDEV, errno.ELOOP, errno.ENOENT, errno.ENOTDIR), path
    assert sorted(os.listdir(tmp_path)) == ["volume", "volume-beside"]
    assert not os.listdir(tmp_path / "volume-beside")
    assert sorted(os.listdir(directory)) == sorted([*links, "dangling"])


def test_what_is_absent_gets_the_mode_of_the_volume_past_any_umask(volume: tuple[Path, int]) -> None:
    directory, root = volume
    directory.chmod(0o2770)
    os.chown(directory, 0, 4711)
    before = os.umask(0o077)
    try:
        assert place_of(beneath.make_beneath(root, "a/b")) == str(directory / "a" / "b")
    finally:
        os.umask(before)
    for made in (directory / "a", directory / "a" / "b"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o2770
        assert made.stat().st_gid == 4711


def test_a_file_is_opened_as_it_is_and_is_no_directory(volume: tuple[Path, int]) -> None:
    directory, root = volume
    (directory / "file").write_text("x")
    assert place_of(beneath.make_beneath(root, "file")) == str(directory / "file")
    with pytest.raises(SyscallError):
        beneath.make_beneath(root, "file/below")
