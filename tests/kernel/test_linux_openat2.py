"""openat2: nothing in a root leads out of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import leases
import pytest

from podrun.linux.openat2 import Resolve, make_directories, openat2
from podrun.linux.syscall import SyscallError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root" / "inner").mkdir(parents=True)
    (tmp_path / "root" / "inner" / "file").write_text("inside")
    (tmp_path / "outside").mkdir()
    descriptor = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def text_of(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.read()


@pytest.mark.parametrize("target", ["/inner/file", "../../../inner/file", "inner/file"])
def test_links_end_inside_of_the_root(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root" / "link").symlink_to(target)
    assert text_of(openat2(root, "/link", os.O_RDONLY)) == "inside"
    with pytest.raises(SyscallError) as caught:
        openat2(root, "/link", os.O_RDONLY, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
    assert caught.value.errno == errno.ELOOP


def test_magic_links_are_never_followed() -> None:
    proc = os.open("/proc", os.O_PATH)
    with pytest.raises(SyscallError) as caught:
        openat2(proc, "self/root", os.O_PATH)
    assert caught.value.errno == errno.ELOOP
    os.close(proc)


def test_directories_are_made_inside_of_the_root_only(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "up").symlink_to("../../inner")
    descriptor = make_directories(root, "/up/a/../b/c", 0o750)
    assert os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path / "root" / "inner" / "b" / "c")
    os.close(descriptor)
    assert os.listdir(tmp_path / "outside") == []
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "outside" / "deep")
    (tmp_path / "root" / "inner" / "climbing").symlink_to("../../../nowhere/at/all")
    os.close(make_directories(root, "/dangling/x"))
    os.close(make_directories(root, "/inner/climbing/y"))
    assert (tmp_path / "root" / (tmp_path / "outside" / "deep" / "x").relative_to("/")).is_dir()
    assert (tmp_path / "root" / "nowhere" / "at" / "all" / "y").is_dir()
    assert os.listdir(tmp_path / "outside") == []
    (tmp_path / "root" / "loop").symlink_to("loop")
    for path in ("/loop/x", "/loop"):
        with pytest.raises(SyscallError) as caught:
            make_directories(root, path)
        assert caught.value.errno == errno.ELOOP
    with pytest.raises(SyscallError) as caught:
        make_directories(root, "/inner/file/x")
    assert caught.value.errno == errno.ENOTDIR


def test_a_file_that_a_program_holds_a_lease_on_is_not_waited_for(root: int, tmp_path: Path) -> None:
    with leases.held_on(tmp_path / "root" / "inner" / "file"), pytest.raises(SyscallError) as refused:
        openat2(root, "/inner/file", os.O_RDONLY | os.O_NONBLOCK)
    assert refused.value.errno == errno.EAGAIN
