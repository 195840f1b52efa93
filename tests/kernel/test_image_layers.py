"""Layers land in their directory and nowhere else, and overlayfs shows them as their tars meant it."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_tars import Member, digest, directory, file, hard_link, member, overlay_view, symlink, tar, tree, unpack

from podrun.image import layers
from podrun.image.errors import BadImage
from podrun.image.layers import Layers
from podrun.image.removal import remove_tree
from tests import descriptors


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What a hostile layer would like to change. Compared after the test, and with the root of the machine."""
    victim = tmp_path / "outside"
    victim.mkdir()
    (victim / "victim").write_text("untouched")
    return victim


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """For trees so deep that a failure must not leave them to pytest, which could not remove them."""
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path], check=True)


def refusal(place: Path, *members: Member) -> str:
    with pytest.raises(BadImage) as caught:
        unpack(place / "layers", "refused", *members)
    return str(caught.value)


# -- what a layer holds


def test_everything_that_an_entry_says_is_carried_out(tmp_path: Path) -> None:
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # VFS_CAP_REVISION_2, cap_net_bind_service
    xattrs = {
        "SCHILY.xattr.user.note": "hello",
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "mtime": "1234567890.123456789",
    }
    root = unpack(
        tmp_path / "layers",
        "l",
        directory("bin", mode=0o2750, uid=7, gid=8, mtime=1000),
        file("bin/su", b"#!", mode=0o4755, uid=0, gid=9, pax_headers=xattrs),
        symlink("bin/link", "/etc/passwd"),
        hard_link("bin/same", "bin/su"),
        member("fifo", tarfile.FIFOTYPE, mode=0o600),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("disk", tarfile.BLKTYPE, devmajor=7, devminor=300, mode=0o660),
        file("deep/er/file"),
        file("late", mode=0o000, uid=4_000_000_000),
    )
    su = (root / "bin/su").stat()
    assert (stat.S_IMODE(su.st_mode), su.st_gid, su.st_mtime_ns) == (0o4755, 9, 1234567890123456789)
    assert os.getxattr(root / "bin/su", "user.note") == b"hello"
    assert os.getxattr(root / "bin/su", "security.capability") == capability
    assert os.path.samefile(root / "bin/su", root / "bin/same")
    assert os.readlink(root / "bin/link") == "/etc/passwd"
    folder = (root / "bin").stat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid, folder.st_mtime) == (0o2750, 7, 8, 1000)
    assert (root / "fifo").is_fifo()
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert (root / "disk").stat().st_rdev == os.makedev(7, 300)
    assert stat.S_IMODE((root / "deep/er").stat().st_mode) == 0o755
    assert (root / "late").stat().st_uid == 4_000_000_000
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        root = unpack(tmp_path / "layers", "l", file("a/b", mode=0o666), directory("c", mode=0o777))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("a", "a/b", "c")] == [0o755, 0o666, 0o777]


def test_names_may_be_any_bytes_but_nul(tmp_path: Path) -> None:
    names = ["new\nline", "tab\t", "-rf", "\udcff\udcfe", "*", "%s", "emoji \N{PILE OF POO}", "x" * 255, " "]
    root = unpack(tmp_path / "layers", "l", *(file(name) for name in names))
    assert sorted(os.listdir(root)) == sorted(names)


# -- attacks


@pytest.mark.parametrize(
    "name",
    ["../../outside/victim", "/../../outside/victim", "a/../../../outside/victim", "./../../../outside/victim"],
)
def test_dots_in_a_name_stay_inside(tmp_path: Path, outside: Path, name: str) -> None:
    root = unpack(tmp_path / "layers", "l", directory("a"), file(name, b"bad"), file("control"))
    assert (outside / "victim").read_text() == "untouched"
    assert (root / "outside/victim").read_text() == "bad"
    assert (root / "control").read_text() == "good"


def test_an_absolute_name_means_the_root_of_the_layer(tmp_path: Path, outside: Path) -> None:
    root = unpack(tmp_path / "layers", "l", file(f"{outside}/victim", b"bad"), file("///etc/x"), file("control"))
    assert (outside / "victim").read_text() == "untouched"
    assert root.joinpath(*(outside / "victim").parts[1:]).read_text() == "bad"
    assert (root / "etc/x").read_text() == "good"


@pytest.mark.parametrize("target", ["/", "..", "../..", "../../outside", "{outside}", "/proc/self/root{outside}"])
def test_a_symlinked_parent_is_followed_inside_only(tmp_path: Path, outside: Path, target: str) -> None:
    target = target.format(outside=outside)
    root = unpack(
        tmp_path / "layers",
        "l",
        symlink("escape", target),
        file("escape/victim", b"bad"),
        file("escape/new", b"bad"),
        hard_link("escape/linked", "escape/victim"),
        directory("escape/sub", mode=0o777),
        file("control"),
    )
    assert tree(outside) == {"victim": "untouched"}
    assert os.listdir(tmp_path / "layers") == ["l"]
    assert list(tree(root).values()).count("bad") == 3
    assert (root / "control").read_text() == "good"


def test_a_chain_of_links_and_dots_stays_inside(tmp_path: Path, outside: Path) -> None:
    root = unpack(
        tmp_path / "layers",
        "l",
        directory("d"),
        symlink("d/up", ".."),
        symlink("d/up2", "up/../.."),
        symlink("x", "d/up2/../../outside"),
        file("x/victim", b"bad"),
        file("d/up/../d/up2/victim", b"bad"),
    )
    assert tree(outside) == {"victim": "untouched"}
    assert (root / "outside/victim").read_text() == "bad"


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    why = refusal(tmp_path, symlink("a", "b"), symlink("b", "a"), file("a/x"))
    assert why == 'entry "a/x": Too many levels of symbolic links'


def test_a_link_to_a_directory_that_is_not_there_yet_is_followed(tmp_path: Path) -> None:
    root = unpack(tmp_path / "layers", "l", symlink("var/run", "/run"), file("var/run/x/y"))
    assert (root / "run/x/y").read_text() == "good"
    assert os.readlink(root / "var/run") == "/run"


def test_a_file_over_a_symlink_replaces_the_link_and_not_its_target(tmp_path: Path, outside: Path) -> None:
    root = unpack(
        tmp_path / "layers",
        "l",
        symlink("x", f"{outside}/victim"),
        file("x", b"mine"),
        file("inside", b"inside"),
        symlink("y", "inside"),
        file("y", b"mine"),
    )
    assert tree(outside) == {"victim": "untouched"}
    assert tree(root) == {"x": "mine", "inside": "inside", "y": "mine"}


def test_a_directory_that_becomes_a_link_takes_nothing_with_it(tmp_path: Path, outside: Path) -> None:
    """CVE-2021-30465's and many tars' trick: a name that is safe when looked at and a link when used."""
    root = unpack(
        tmp_path / "layers",
        "l",
        directory("d"),
        file("d/victim", b"first"),
        symlink("d", f"{outside}"),
        file("d/victim", b"bad"),
        member("d", tarfile.DIRTYPE, mode=0o700, mtime=5),
        file("d/after", b"after"),
    )
    assert tree(outside) == {"victim": "untouched"}
    assert stat.S_IMODE(outside.stat().st_mode) != 0o700
    assert (root / "d").is_dir()
    assert not (root / "d").is_symlink()
    assert tree(root / "d") == {"after": "after"}
    assert root.joinpath(*outside.parts[1:], "victim").read_text() == "bad"


@pytest.mark.parametrize("target", ["../../outside/victim", "{outside}/victim", "escape/victim", "nothing", ".."])
def test_a_hard_link_reaches_nothing_outside(tmp_path: Path, outside: Path, target: str) -> None:
    link = hard_link("stolen", target.format(outside=outside))
    why = refusal(tmp_path, symlink("escape", str(outside)), link)
    assert why.startswith('entry "stolen": ')
    assert (outside / "victim").stat().st_nlink == 1


def test_a_hard_link_to_a_symlink_is_not_followed(tmp_path: Path, outside: Path) -> None:
    root = unpack(
        tmp_path / "layers",
        "l",
        symlink("s", str(outside / "victim")),
        hard_link("h", "s"),
        file("h", b"bad"),
        hard_link("s2", "s"),
    )
    assert tree(outside) == {"victim": "untouched"}
    assert tree(root) == {"s": f"-> {outside}/victim", "s2": f"-> {outside}/victim", "h": "bad"}


def test_a_hard_link_to_itself_keeps_the_file(tmp_path: Path) -> None:
    assert tree(unpack(tmp_path / "layers", "l", file("a"), hard_link("./a", "/a"))) == {"a": "good"}


def test_later_entries_replace_earlier_ones_of_any_kind(tmp_path: Path) -> None:
    root = unpack(
        tmp_path / "layers",
        "l",
        file("a", b"1"),
        file("a", b"2"),
        file("b/c/d"),
        file("b", b"now a file"),
        file("e"),
        directory("e"),
        file("e/f"),
        directory("g"),
        file("g/kept"),
        directory("g", mode=0o700),
        hard_link("h", "a"),
        file("h", b"only here"),
    )
    assert tree(root) == {
        "a": "2",
        "b": "now a file",
        "e": "dir",
        "e/f": "good",
        "g": "dir",
        "g/kept": "good",
        "h": "only here",
    }
    assert os.listdir(tmp_path / "layers") == ["l"]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([file(".wh.")], 'entry ".wh.": a whiteout of nothing'),
        ([file(".wh..")], "a whiteout of nothing"),
        ([file(".wh...")], "a whiteout of nothing"),
        ([file("a/.wh...")], "a whiteout of nothing"),
        ([file(".wh.a/b")], "a whiteout used as a directory"),
        ([file("a"), file("a/b")], '"/a" is not a directory'),
        ([directory("a"), hard_link("b", "a")], 'entry "b": Operation not permitted'),
        ([file("./")], "the root of a layer must be a directory"),
        ([symlink(".", "x")], "the root of a layer must be a directory"),
        ([symlink("x", "")], 'entry "x": No such file or directory'),
        ([file("x" * 256)], "File name too long"),
        ([file("a/" * 2100 + "x")], "File name too long"),
        ([member("x", tarfile.CHRTYPE, devmajor=0o7777777, devminor=0)], "there is no device"),
        ([file("new\nline\x1b[31m/../.wh.")], 'entry "new\\nline\\x1b[31m/../.wh."'),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, members: list[Member], why: str) -> None:
    assert why in refusal(tmp_path, *members)


def test_attributes_that_steer_the_kernel_are_left_out(tmp_path: Path) -> None:
    wanted = {
        "trusted.overlay.redirect": "/etc",
        "trusted.overlay.opaque": "y",
        "trusted.overlay.metacopy": "",
        "user.overlay.opaque": "y",
        "security.selinux": "x",
        "user.kept": "yes",
    }
    headers = {f"SCHILY.xattr.{key}": value for key, value in wanted.items()}
    root = unpack(tmp_path / "layers", "l", directory("d", pax_headers=headers), file("f", pax_headers=headers))
    assert os.listxattr(root / "d") == os.listxattr(root / "f") == ["user.kept"]


def test_a_huge_sparse_file_costs_no_disk_and_an_impossible_one_is_refused(tmp_path: Path) -> None:
    def sparse(size: int) -> bytes:
        block = bytearray(tarfile.TarInfo("holes").tobuf(tarfile.GNU_FORMAT))
        block[156:157] = b"S"
        block[386:482] = bytes(96)
        block[483:495] = size.to_bytes(12, "big") if size >= 8**11 else b"%011o " % size
        if size >= 8**11:
            block[483] |= 0x80
        block[148:156] = b"%06o\0 " % (sum(block) + 8 * 32 - sum(block[148:156]))
        return bytes(block) + bytes(1024)

    for size, is_fine in ((1 << 38, True), (1 << 62, False)):
        content = sparse(size)
        (tmp_path / "tar").write_bytes(content)
        place = tmp_path / str(size)
        place.mkdir()
        if is_fine:
            layers.unpack_tar(tmp_path / "tar", digest(content), place)
            assert (place / "holes").stat().st_size == size
            assert (place / "holes").stat().st_blocks == 0
        else:
            with pytest.raises(BadImage, match='entry "holes": File too large'):
                layers.unpack_tar(tmp_path / "tar", digest(content), place)


def test_a_tree_deeper_than_any_stack_can_be_removed(workplace: Path) -> None:
    """A program in a container can nest directories without end, one chdir at a time."""
    depth = 3000
    assert sys.getrecursionlimit() < depth
    root = workplace / "upper"
    root.mkdir()
    fd = os.open(root, os.O_PATH)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        following = os.open("d", os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = following
    os.symlink("/etc", "link", dir_fd=fd)
    os.close(fd)
    remove_tree(root, aside=workplace)
    assert os.listdir(workplace) == []


def test_a_layer_as_deep_as_a_path_can_be_is_unpacked(workplace: Path) -> None:
    root = unpack(workplace / "layers", "l", file("d/" * 1500 + "x"), symlink("s", "d/" * 1500), file("s/y"))
    assert (root / ("d/" * 1500) / "y").read_text() == "good"
    remove_tree(root, aside=workplace / "layers")


PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", ".wh.a", ".wh.", ".wh..wh..opq", "outside", "victim"])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)


@settings(max_examples=300)
@given(entries=st.lists(st.tuples(KINDS, PATHS, st.sampled_from(["", "/", "../../"]), PATHS), max_size=12))
def test_no_sequence_of_entries_reaches_outside(entries: list[tuple[bytes, str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        outside, staging = Path(place, "outside"), Path(place, "layers")
        outside.mkdir()
        (outside / "victim").write_text("untouched")
        before = os.lstat(outside), os.lstat(outside / "victim")
        members = []
        for kind, name, start, target in entries:
            # As the attacker would know it: the way from the layer to the directory beside.
            target = target.replace("outside", f"{start}{outside if start == '/' else 'outside'}")
            content = b"bad" if kind == tarfile.REGTYPE else b""
            members.append(member(start + name, kind, content, linkname=target, mode=0o777, uid=1))
        with contextlib.suppress(BadImage):
            unpack(staging, "l", *members)
        assert os.listdir(staging) == ["l"]
        assert sorted(os.listdir(place)) == ["l.tar", "layers", "outside"]
        assert tree(outside) == {"victim": "untouched"}
        assert all(_same(old, os.lstat(path)) for old, path in zip(before, (outside, outside / "victim"), strict=True))


def _same(old: os.stat_result, new: os.stat_result) -> bool:
    return (old.st_mode, old.st_uid, old.st_nlink, old.st_mtime_ns) == (
        new.st_mode,
        new.st_uid,
        new.st_nlink,
        new.st_mtime_ns,
    )


# -- overlayfs


def test_overlayfs_shows_whiteouts_and_opaque_directories(tmp_path: Path) -> None:
    place = tmp_path / "layers"
    low = unpack(
        place,
        "low",
        file("kept"),
        file("gone"),
        file("gone-dir/x"),
        file("merged/low"),
        file("merged/hidden"),
        file("opaque/low"),
        file("reborn/low"),
        file("reborn-early/low"),
        file("implied/low"),
        file("file-to-dir"),
        file("dir-to-file/x"),
    )
    unpack(
        place,
        "high",
        file(".wh.gone"),
        file(".wh.gone-dir"),
        file(".wh.never-was"),
        file("merged/high"),
        file("merged/.wh.hidden"),
        file("opaque/.wh..wh..opq"),
        file("opaque/high"),
        file(".wh.reborn"),
        directory("reborn"),
        file("reborn/high"),
        file("reborn-early/high"),
        file(".wh.reborn-early"),
        file(".wh.implied"),
        file("implied/high"),
        file(".wh.same-layer"),
        file("same-layer"),
        directory("file-to-dir"),
        file("dir-to-file"),
        file(".wh..wh.plnk/1.2"),
        below=[low],
    )
    seen = overlay_view(place, ["high", "low"], "find . -type f | sort")
    assert seen.split() == [
        "./dir-to-file",
        "./implied/high",
        "./kept",
        "./merged/high",
        "./merged/low",
        "./opaque/high",
        "./reborn-early/high",
        "./reborn/high",
        "./same-layer",
    ]
    assert (
        overlay_view(place, ["high", "low"], "stat -c %F file-to-dir gone 2>&1 || true").splitlines()[0] == "directory"
    )


def test_directories_that_a_layer_does_not_announce_look_as_below(tmp_path: Path) -> None:
    place = tmp_path / "layers"
    low = unpack(
        place,
        "low",
        directory("./", mode=0o750, uid=1, gid=2),
        directory("tmp", mode=0o1777),
        directory("home/me", mode=0o700, uid=5, gid=6),
        directory("hidden", mode=0o700),
    )
    middle = unpack(place, "middle", file(".wh.hidden"), file("other"), below=[low])
    unpack(place, "high", file("tmp/x"), file("home/me/y"), file("hidden/z"), below=[middle, low])
    seen = overlay_view(place, ["high", "middle", "low"], "stat -c '%a %u:%g' . tmp home/me hidden")
    assert seen.splitlines() == ["750 1:2", "1777 0:0", "700 5:6", "755 0:0"]


def test_as_many_layers_as_allowed_fit_into_one_mount(tmp_path: Path) -> None:
    place = tmp_path / "layers"
    names = [f"l{number:08x}" for number in range(127)]
    for number, name in enumerate(names):
        unpack(place, name, file(f"file{number}"))
    assert overlay_view(place, names, "ls | wc -l").strip() == "127"


# -- the store of layers


@pytest.fixture
def store(tmp_path: Path) -> Layers:
    (tmp_path / "staging").mkdir()
    return Layers(tmp_path / "layers", tmp_path / "staging")


def blob(tmp_path: Path, *members: Member) -> tuple[Path, str]:
    content = tar(*members)
    (tmp_path / "blob").write_bytes(content)
    return tmp_path / "blob", digest(content)


def test_a_layer_gets_a_short_name_and_is_unpacked_once(tmp_path: Path, store: Layers) -> None:
    path, diff_id = blob(tmp_path, file("a"))
    name = store.unpack(path, diff_id, diff_id, [])
    assert name == f"l{diff_id[7:15]}"
    assert tree(store.directory / name) == {"a": "good"}
    path.unlink()
    assert store.unpack(path, diff_id, diff_id, []) == store.find(diff_id) == name
    assert os.listdir(tmp_path / "staging") == []


def test_layers_whose_short_names_meet_are_kept_apart(tmp_path: Path, store: Layers) -> None:
    path, diff_id = blob(tmp_path, file("a"))
    other = diff_id[:20] + ("0" if diff_id[20] != "0" else "1") + diff_id[21:]
    first, second = (store.unpack(path, diff_id, chain, []) for chain in (diff_id, other))
    assert (len(first), len(second)) == (9, 17)
    assert (store.find(diff_id), store.find(other)) == (first, second)
    store.remove_all_but([other])
    assert (store.find(diff_id), store.find(other)) == (None, second)
    assert sorted(os.listdir(store.directory)) == [second, f"{second}.chain"]


@pytest.mark.parametrize("harm", ["digest", "cut off", "entry"])
def test_a_layer_that_fails_leaves_nothing(tmp_path: Path, store: Layers, harm: str) -> None:
    path, diff_id = blob(tmp_path, file("deep/er/a"), *([file(".wh.")] if harm == "entry" else []))
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:700])
    wrong = "sha256:" + "0" * 64
    with pytest.raises(BadImage):
        store.unpack(path, wrong if harm == "digest" else diff_id, diff_id, [])
    assert store.find(diff_id) is None
    assert os.listdir(tmp_path / "staging") == os.listdir(tmp_path / "layers") == []


def test_no_descriptor_is_left_open(tmp_path: Path, store: Layers) -> None:
    before = descriptors.count()
    path, diff_id = blob(tmp_path, *(file(f"d{number}/a") for number in range(200)), file(".wh."))
    with pytest.raises(BadImage):
        store.unpack(path, diff_id, diff_id, [])
    assert descriptors.count() == before
