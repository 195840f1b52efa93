"""`podrun cp`: files and directories to and from a container, as a tar archive that nobody in the container sees."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from podrun.cli import command as shared
from podrun.cli import containers, resources
from podrun.cli.client import Client, Query, Stream, path_of
from podrun.errors import PodrunError

EXAMPLES = """
# Copy the local directory /tmp/foo to /tmp/bar in the pod web
podrun cp /tmp/foo web:/tmp/bar

# Copy a file to a container of its own choice
podrun cp /tmp/foo web:/tmp/bar -c app

# Copy a file to a pod of another namespace
podrun cp /tmp/foo other/web:/tmp/bar

# Copy /tmp/foo from the pod to /tmp/bar here
podrun cp web:/tmp/foo /tmp/bar
"""

PIECE = 1 << 18
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FORMAT = "filespec must match the canonical format: [[namespace/]pod:]file/path"


@dataclass(frozen=True, slots=True)
class Place:
    """`pod` empty: on this machine."""

    path: str
    pod: str = ""
    namespace: str = ""


@click.command(
    "cp",
    cls=shared.Verb,
    synopsis="<file-spec-src> <file-spec-dest> [options]",
    examples=EXAMPLES,
    help="Copy files and directories to and from containers. The image needs no tar.\n\n"
    " Links are copied into a container as they are; out of a container they are left out, and that is said.",
)
@click.argument("arguments", nargs=-1)
@click.option("-c", "--container", default="", help="Container name. If omitted, the first container in the pod.")
@click.option("--no-preserve", is_flag=True, help="The copied files belong to the container's root.")
@click.option("--retries", type=int, default=0, hidden=True)
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    container: str,
    no_preserve: bool,
    retries: int,
    namespace: str | None,
) -> None:
    if len(arguments) != 2:
        raise PodrunError("source and destination are required")
    source, target = (read_place(one) for one in arguments)
    if source.pod and target.pod:
        raise PodrunError("one of src or dest must be a local file specification")
    if not source.path or not target.path:
        raise PodrunError("filepath can not be empty")
    remote = source if source.pod else target
    if not remote.pod:
        raise PodrunError("one of src or dest must be a remote file specification")
    client, where = session.client, remote.namespace or session.namespace_of(namespace)
    pod = client.get(resources.POD.path(where, remote.pod))
    path = f"/podrun/v1{path_of('namespaces', where, 'pods', remote.pod, 'files')}"
    query: Query = {"container": containers.choose(pod, container), "path": remote.path}
    if source.pod:
        names = f'-n "{shown(where)}" "{shown(remote.pod)}"'
        hint = f'podrun exec {names} -- tar cf - "{shown(source.path)}" | tar xf -'
        _fetch(client, path, query, Path(target.path), source.path, hint)
    else:
        owner = "0:0" if no_preserve else ""
        _send(client, path, {**query, "owner": owner}, Path(source.path))


def read_place(word: str) -> Place:
    """`[[namespace/]pod:]path`. PodrunError: something else."""
    before, colon, path = word.partition(":")
    if not colon or before.startswith((".", "/")):
        return Place(word)
    parts = before.split("/")
    if len(parts) > 2 or not all(parts):
        raise PodrunError(FORMAT)
    return Place(path, parts[-1], parts[0] if len(parts) == 2 else "")


# Into the container.


def _send(client: Client, path: str, query: Query, source: Path) -> None:
    if not os.path.lexists(source):
        raise PodrunError(f"{source} doesn't exist in local filesystem")

    def write(send: Callable[[bytes], None]) -> None:
        out: Any = _Sending(send)
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=PIECE) as archive:

            def sendable(head: tarfile.TarInfo) -> tarfile.TarInfo | None:
                archive.inodes.clear()  # type: ignore[attr-defined]  # Every hard link is sent as a file of its own.
                return head if head.isreg() or head.isdir() or head.issym() else None

            archive.add(os.path.realpath(source), ".", recursive=True, filter=sendable)

    name = os.path.basename(os.path.abspath(source))
    try:
        client.upload("PUT", path, {**query, "name": name}, write)
    except OSError as error:
        raise PodrunError(f"cannot read {error.filename or source}: {error.strerror}") from error


class _Sending:
    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def write(self, piece: bytes) -> int:
        self._send(piece)
        return len(piece)


# Out of the container.


def _fetch(client: Client, path: str, query: Query, target: Path, source: str, hint: str) -> None:
    with client.open("GET", path, query) as stream:
        is_directory = stream.headers.get("x-podrun-kind") == "directory"
        if target.is_dir() and not is_directory:
            target = target / (os.path.basename(source.rstrip("/")) or "file")
        reading = _Reading(stream)
        body: Any = reading
        try:
            with tarfile.open(fileobj=body, mode="r|", bufsize=PIECE) as archive:
                unpack(archive, target, hint)
        except tarfile.TarError as error:
            raise PodrunError(f"cannot copy: the archive is broken: {error}") from None
        except OSError as error:
            raise PodrunError(f"cannot write {error.filename or target}: {error.strerror}") from error
        reading.check_end()


class _Reading:
    """The body of an answer as a file. It notes whether it ended as an archive ends: with two blocks of zeros."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := self._stream.read()):
            self._rest += piece
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._last = (self._last + piece)[-1024:]
        return piece

    def check_end(self) -> None:
        """PodrunError: it was cut off."""
        while self.read(PIECE):
            pass
        if self._last != bytes(1024):
            raise PodrunError("cannot copy everything: the connection ended before the archive did")


def unpack(archive: tarfile.TarFile, target: Path, hint: str) -> None:
    """`.` becomes `target`. Whoever wrote the archive can't be trusted: nothing is written outside of the target, no
    link is made or followed. `hint` is how links could be had, and is told once. OSError, PodrunError."""
    remark = f' (consider using "{hint}")'
    parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    modes: list[tuple[list[str], int]] = []
    try:
        for head in archive:
            parts = [part for part in head.name.split("/") if part not in ("", ".")]
            if ".." in parts:
                raise PodrunError(f"cannot copy: the container sent a name that leads outwards: {shown(head.name)}")
            parts = [target.name, *parts]
            if head.isdir():
                with _directory(parent, parts[:-1]) as place:
                    _make_directory(place, parts[-1], followed=len(parts) == 1)
                modes.append((parts, head.mode & 0o777))
            elif head.isreg():
                with _directory(parent, parts[:-1]) as place:
                    _write_file(archive, place, parts[-1], head)
            elif head.issym():
                place_of_link = str(target.parent.joinpath(*parts))
                said = f'warning: skipping symlink: "{shown(place_of_link)}" -> "{shown(head.linkname)}"'
                print(f"{said}{remark}", file=sys.stderr)
                remark = ""
        for parts, mode in reversed(modes):
            with _directory(parent, parts) as place:
                os.fchmod(place, mode)
    finally:
        os.close(parent)


def shown(text: str) -> str:
    """What is between the quotes of Go's %q: nothing in it can move the cursor, or end the quotation."""
    return "".join(f"\\{c}" if c in '"\\' else c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


@contextlib.contextmanager
def _directory(start: int, parts: list[str]) -> Iterator[int]:
    """Step by step; only the target itself, which the user named, may be a link."""
    current = os.dup(start)
    try:
        for position, part in enumerate(parts):
            flags = _DIRECTORY & ~os.O_NOFOLLOW if position == 0 else _DIRECTORY
            following = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _make_directory(place: int, name: str, *, followed: bool) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=place)
    except FileExistsError:
        flags = _DIRECTORY & ~os.O_NOFOLLOW if followed else _DIRECTORY
        os.close(os.open(name, flags, dir_fd=place))


def _write_file(archive: tarfile.TarFile, place: int, name: str, head: tarfile.TarInfo) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    content = archive.extractfile(head)
    assert content is not None
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=place), "wb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise PodrunError(f"cannot write {name}: there is something else than a file")
        _copy(content, file)
        os.fchmod(file.fileno(), head.mode & 0o777)


def _copy(content: IO[bytes], file: IO[bytes]) -> None:
    while piece := content.read(PIECE):
        file.write(piece)
