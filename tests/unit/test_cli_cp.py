"""`podrun cp`: what a hostile container can't do with its archive, and what the words mean."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from podrun.cli import cp
from podrun.errors import PodrunError
from tests.fakes.cli_runs import Cli, pod
from tests.fakes.prepared_server import PreparedServer

FILES = "/podrun/v1/namespaces/default/pods/web/files"


def entry(name: str, content: bytes | None = None, link: str = "", type_: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    head = tarfile.TarInfo(name)
    head.mode = 0o751
    if type_ or link:
        head.type, head.linkname = type_ or tarfile.SYMTYPE, link
    elif content is None:
        head.type = tarfile.DIRTYPE
    else:
        head.size = len(content)
    return head, content or b""


def archive(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for head, content in entries:
            made.addfile(head, io.BytesIO(content))
    return out.getvalue()


def unpack(target: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive(*entries)), mode="r|") as opened:
        cp.unpack(opened, target, "a hint")


def test_directories_files_and_modes_arrive(tmp_path: Path) -> None:
    unpack(tmp_path / "new", entry("."), entry("./a"), entry("./a/f", b"text"))
    assert (tmp_path / "new" / "a" / "f").read_bytes() == b"text"
    assert (tmp_path / "new" / "a" / "f").stat().st_mode & 0o7777 == 0o751
    unpack(tmp_path / "one", entry(".", b"file"))
    assert (tmp_path / "one").read_bytes() == b"file"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("./../out", b"x")],
        [entry("../../out", b"x")],
        [entry("./l", link="../.."), entry("./l/out", b"x")],
        [entry("./old/out", b"x")],
        [entry("./old", b"x")],
        [entry("./file", b"x")],
    ],
)
def test_nothing_is_written_outside_of_the_target(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    (target / "old").symlink_to(outside)
    (target / "file").symlink_to(outside / "out")
    with pytest.raises((PodrunError, OSError)):
        unpack(target, entry("."), *entries)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_links_and_devices_are_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hard = entry("./h", link="/etc/passwd", type_=tarfile.LNKTYPE)
    unpack(
        tmp_path / "t",
        entry("."),
        entry("./l\x1b", link="/x"),
        entry("./é", link='"\n'),
        hard,
        entry("./d", type_=tarfile.CHRTYPE),
        entry("/abs", b"a"),
    )
    assert os.listdir(tmp_path / "t") == ["abs"]
    assert capsys.readouterr().err == (
        f'warning: skipping symlink: "{tmp_path}/t/l\\x1b" -> "/x" (consider using "a hint")\n'
        f'warning: skipping symlink: "{tmp_path}/t/é" -> "\\"\\n"\n'
    )


def test_an_archive_that_is_cut_off_is_an_error(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    server.answer("GET /api/v1/namespaces/default/pods/web", pod())
    whole = archive(entry(".", b"x" * 3000))
    server.answer(f"GET {FILES}", whole[:1600])
    server.answer(f"GET {FILES}", whole[: 512 + 3072])
    server.answer(f"GET {FILES}", whole)
    for _ in range(2):
        run = cli("cp", "web:/f", str(tmp_path / "f"))
        assert (run.code, run.err[:19]) == (1, "error: cannot copy ") or "cannot copy" in run.err
    assert cli("cp", "web:/f", str(tmp_path)).code == 0
    assert (tmp_path / "f").stat().st_size == 3000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "error: source and destination are required"),
        (["a", "b"], "error: one of src or dest must be a remote file specification"),
        (["a:/b", "c:/d"], "error: one of src or dest must be a local file specification"),
        (["a:", "b"], "error: filepath can not be empty"),
        (["a/b/c:/x", "b"], "error: filespec must match the canonical format"),
        (["/nowhere/x", "web:/x"], "error: /nowhere/x doesn't exist in local filesystem"),
    ],
)
def test_what_cannot_be_copied_is_said(server: PreparedServer, cli: Cli, words: list[str], said: str) -> None:
    server.answer("GET /api/v1/namespaces/default/pods/web", pod())
    run = cli("cp", *words)
    assert run.code == 1
    assert run.err.startswith(said)


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("web:/x", cp.Place("/x", "web")),
        ("ns/web:x:y", cp.Place("x:y", "web", "ns")),
        ("./a:b", cp.Place("./a:b")),
        ("/a:b", cp.Place("/a:b")),
        ("plain", cp.Place("plain")),
    ],
)
def test_a_colon_tells_the_pod(word: str, place: cp.Place) -> None:
    assert cp.read_place(word) == place
