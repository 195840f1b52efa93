"""mount and its relatives: what they do, and the words in which they fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from forked import in_child

from podrun.linux import mount, namespaces, statfs
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import Attribute, MountFlag
from podrun.linux.syscall import SyscallError


def in_own_namespace() -> None:
    namespaces.unshare(CloneFlag.NEWNS)
    mount.mount("none", "/", flags=MountFlag.SLAVE | MountFlag.REC)


def row_of(path: Path) -> list[str]:
    rows = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [row for row in rows if row[4] == str(path)][-1]


def test_a_failed_mount_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(SyscallError) as caught:
        mount.mount("/nowhere", str(tmp_path), flags=MountFlag.BIND | MountFlag.REC)
    expected = f"mount('/nowhere', '{tmp_path}', 'none', BIND|REC): No such file or directory"
    assert str(caught.value) == expected
    assert caught.value.errno == errno.ENOENT


def test_options_that_would_be_cut_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="4096 bytes"):
        mount.mount("none", str(tmp_path), "tmpfs", data="x" * 4096)


def test_a_new_file_system_is_attached_by_descriptor(tmp_path: Path) -> None:
    def act() -> tuple[list[str], bool]:
        in_own_namespace()
        options = {"source": "named", "size": "64k", "mode": "750"}
        tmpfs = mount.new_mount("tmpfs", options, Attribute.NOSUID | Attribute.NODEV)
        mount.move_mount(tmpfs, os.open(tmp_path, os.O_PATH))
        (tmp_path / "file").write_text("x")
        mount.mount_setattr(tmpfs, Attribute.RDONLY, clear=Attribute.NODEV)
        row = row_of(tmp_path)
        seen = [row[5], *row[row.index("-") + 1 :]]
        mount.umount_detach(str(tmp_path))
        return seen, list(tmp_path.iterdir()) == []

    seen, gone = in_child(act)
    assert seen[:3] == ["ro,nosuid,relatime", "tmpfs", "named"]
    assert "size=64k" in seen[3]
    assert gone


def test_a_bad_option_is_told_in_the_words_of_the_file_system() -> None:
    with pytest.raises(SyscallError) as caught:
        mount.new_mount("tmpfs", {"nonsense": "1"})
    assert str(caught.value).startswith("fsconfig('tmpfs', 'nonsense=1'): tmpfs: Unknown parameter 'nonsense'")
    assert caught.value.errno == errno.EINVAL


def test_a_copy_of_a_tree_has_attributes_and_propagation_of_its_own(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()

    def act() -> tuple[str, str, str]:
        in_own_namespace()
        mount.mount("none", str(source), "tmpfs")
        tree = mount.open_tree(os.open(source, os.O_PATH), "", recursive=True)
        mount.mount_setattr(tree, Attribute.RDONLY, propagation=MountFlag.SHARED, recursive=True)
        mount.move_mount(tree, os.open(target, os.O_PATH))
        return row_of(source)[5], row_of(target)[5], row_of(target)[6]

    before, copy, propagation = in_child(act)
    assert before.startswith("rw")
    assert copy.startswith("ro")
    assert propagation.startswith("shared:")


def test_pivot_root_leaves_nothing_of_the_old_root(tmp_path: Path) -> None:
    def act() -> list[str]:
        in_own_namespace()
        mount.mount("none", str(tmp_path), "tmpfs")
        os.mkdir(tmp_path / "only")
        os.chdir(tmp_path)
        mount.pivot_root(".", ".")
        mount.umount_detach(".")
        os.chdir("/")
        return os.listdir("/")

    assert in_child(act) == ["only"]


def test_file_systems_are_told_apart(tmp_path: Path) -> None:
    proc = os.open("/proc/sys", os.O_PATH)
    assert statfs.file_system_type(proc) == statfs.PROC_SUPER_MAGIC
    os.close(proc)
    here = os.open(tmp_path, os.O_PATH)
    assert statfs.file_system_type(here) not in (statfs.PROC_SUPER_MAGIC, statfs.SYSFS_MAGIC)
    os.close(here)
