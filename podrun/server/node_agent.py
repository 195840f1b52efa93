"""What the API server asks of the kubelet that it is the face of. Wishes and status go through the store, not here."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podrun.api import objects
from podrun.api.instruments import Histogram
from podrun.kubelet.anatomy import Anatomy
from podrun.kubelet.measures import Measures
from podrun.kubelet.meter import Reading, Usage


@dataclass(frozen=True, slots=True)
class ExecTicket:
    """Where a client runs the command that was prepared for it: the shim's socket, and a token good for one use."""

    socket: str
    token: str


class FileWork(Protocol):
    """Reads or writes an archive, and says how it goes."""

    async def verdict(self) -> dict[str, object]:
        """PodrunError: it failed."""

    async def read(self) -> bytes:
        """Some bytes of the archive; none at its end."""

    async def write(self, piece: bytes) -> None: ...

    def finish_writing(self) -> None: ...

    async def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """One image of the node. `size` in bytes, `created` in RFC 3339 or empty; `broken` says why it can't be used."""

    names: tuple[str, ...]
    id: str
    digest: str
    size: int
    created: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A root filesystem (directory or tar, absolute path on this machine) that shall become an image."""

    path: Path
    name: str
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""


@dataclass(frozen=True, slots=True)
class ImageRemoval:
    """Names that were taken away, and ids of images that are gone."""

    untagged: tuple[str, ...]
    deleted: tuple[str, ...]


class ImageTransport(Protocol):
    """Images on their way to the node and out of it. Errors: PodrunError."""

    async def pull(self, name: str, on_progress: Callable[[int, int, int, int], None]) -> ImageSummary:
        """From its registry; progress in bytes fetched, of how many, layers unpacked, of how many."""

    async def log_in(self, registry: str, username: str, password: str) -> None: ...

    async def log_out(self, registry: str) -> None: ...

    async def tag(self, name: str, new_name: str) -> ImageSummary: ...

    async def prune(self, *, named_too: bool) -> list[ImageSummary]: ...

    async def inspect(self, name: str) -> dict[str, object]:
        """Ready for JSON."""

    async def save(self, names: Sequence[str]) -> AsyncIterator[bytes]:
        """A tar in pieces."""


class NodeAgent(Protocol):
    """Errors: PodrunError, whose message and hint the client gets to read."""

    async def prepare_exec(
        self,
        pod: objects.Pod,
        container: str,
        argv: tuple[str, ...],
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        tty: bool,
    ) -> ExecTicket: ...

    async def prepare_attach(
        self, pod: objects.Pod, container: str, *, stdin: bool, stdout: bool, stderr: bool
    ) -> ExecTicket: ...

    async def anatomy(self, pod: objects.Pod) -> Anatomy | None:
        """What the pod is made of now. None: the kubelet does not know it."""

    @property
    def node_name(self) -> str: ...

    async def usage(self) -> Usage:
        """What containers and the machine take, over about a second."""

    async def reading(self) -> Reading:
        """What they have taken so far."""

    @property
    def measures(self) -> Measures:
        """What the kubelet has measured of itself."""

    def probe_counts(self) -> dict[tuple[str, str, str, str], int]:
        """By uid, container, kind of probe and result."""

    def probe_durations(self) -> dict[tuple[str, str, str], Histogram]:
        """Seconds that those which succeeded took, by uid, container and kind of probe."""

    async def dial(self, pod: objects.Pod, port: int) -> socket.socket:
        """A connection to a port of the pod's loopback device, non-blocking. PodrunError: nobody listens."""

    async def start_file_work(self, pod: objects.Pod, container: str, *words: str) -> FileWork:
        """A process that packs or unpacks files of a running container; see podrun/container/files.py for `words`."""

    def log_dir(self, pod: objects.Pod, container: str) -> Path:
        """The directory with the container's `<attempt>.log` files."""

    @property
    def image_transport(self) -> ImageTransport: ...

    async def image_list(self) -> list[ImageSummary]: ...

    async def image_import(self, request: ImportRequest) -> ImageSummary: ...

    async def image_load(self, path: Path) -> list[ImageSummary]: ...

    async def image_remove(self, name: str) -> ImageRemoval: ...

    def info(self) -> dict[str, object]:
        """Facts for `system info`, ready for JSON."""
