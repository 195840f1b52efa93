"""Files that change all at once, as a reader and a restarted writer see them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import leases
import pytest

from podrun.volume import atomic_writer
from podrun.volume.atomic_writer import File


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def plain(**files: str) -> dict[str, File]:
    return {path: File(text.encode(), 0o644) for path, text in files.items()}


def test_files_are_links_through_data_and_nothing_happens_where_nothing_changed(directory: int, tmp_path: Path) -> None:
    files = plain(a="1") | {"deep/er/b": File(b"2", 0o400, uid=7)}
    assert atomic_writer.write(directory, files)
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "deep") == "..data/deep"
    first = os.readlink(tmp_path / "..data")
    assert (tmp_path / "deep" / "er" / "b").read_text() == "2"
    status = (tmp_path / "deep" / "er" / "b").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o400, 7)
    assert stat.S_IMODE((tmp_path / first).stat().st_mode) == 0o755
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o777
    assert not atomic_writer.write(directory, files)
    assert os.readlink(tmp_path / "..data") == first


@pytest.mark.parametrize(
    "change", [{"a": File(b"2", 0o644)}, {"a": File(b"1", 0o600)}, {"a": File(b"1", 0o644, 5)}, {}]
)
def test_any_change_brings_a_new_directory_and_takes_the_old_one_away(
    directory: int, tmp_path: Path, change: dict[str, File]
) -> None:
    atomic_writer.write(directory, plain(a="1", gone="x"))
    before = os.readlink(tmp_path / "..data")
    assert atomic_writer.write(directory, change)
    after = os.readlink(tmp_path / "..data")
    assert sorted(os.listdir(tmp_path)) == sorted([*change, "..data", after])
    assert after != before


def test_what_an_interrupted_change_left_goes_with_the_next(directory: int, tmp_path: Path) -> None:
    atomic_writer.write(directory, plain(a="1"))
    (tmp_path / "..2020_01_01_00_00_00.1" / "half").mkdir(parents=True)
    (tmp_path / "..data_tmp").symlink_to("..2020_01_01_00_00_00.1")
    assert not atomic_writer.write(directory, plain(a="1"))
    assert len(os.listdir(tmp_path)) == 3
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    assert atomic_writer.write(directory, plain(a="2"))
    assert (tmp_path / "a").read_text() == "2"


def test_the_pods_group_may_read_and_nothing_more(directory: int, tmp_path: Path) -> None:
    atomic_writer.write(directory, {"d/a": File(b"1", 0o400)}, gid=4711)
    for path, mode in ((tmp_path, 0o2777), (tmp_path / "d", 0o2755), (tmp_path / "d" / "a", 0o440)):
        status = path.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, 4711)


def test_a_reader_never_sees_a_mix(directory: int, tmp_path: Path) -> None:
    versions = [{f"f{n}": File(str(version).encode(), 0o644) for n in range(20)} for version in range(2)]
    atomic_writer.write(directory, versions[0])
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            for version in (1, 0):
                atomic_writer.write(directory, versions[version])

    writer = threading.Thread(target=change)
    writer.start()
    seen = set()
    try:
        while len(seen) < 2:
            try:
                data = os.open(tmp_path / "..data", os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # the directory went between reading the link and opening it
                continue
            try:
                texts = {open(f"f{n}", opener=lambda p, f: os.open(p, f, dir_fd=data)).read() for n in range(20)}  # noqa: B023, SIM115
                assert len(texts) == 1
                seen |= texts
            except FileNotFoundError:
                pass  # taken away while it was read
            finally:
                os.close(data)
    finally:
        done.set()
        writer.join()


def test_a_reader_that_holds_a_lease_keeps_nobody_from_writing(directory: int, tmp_path: Path) -> None:
    files = {"a": File(b"1", 0o644)}
    assert atomic_writer.write(directory, files)
    with leases.held_on((tmp_path / "a").resolve()):
        assert atomic_writer.write(directory, files), "it could not be seen to be the same"
    assert not atomic_writer.write(directory, files), "control"
