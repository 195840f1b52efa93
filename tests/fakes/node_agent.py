"""A kubelet for tests of the API server: it keeps what it is asked and answers from what it was given."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from podrun.api import objects
from podrun.api.instruments import Histogram
from podrun.errors import PodrunError
from podrun.kubelet import meter
from podrun.kubelet.anatomy import Anatomy
from podrun.kubelet.measures import Measures
from podrun.kubelet.meter import Reading, Usage
from podrun.kubelet.pod_usage import ContainerFigures
from podrun.server.node_agent import ExecTicket, FileWork, ImageRemoval, ImageSummary, ImageTransport, ImportRequest


@dataclass
class FakeAgent:
    """Logs lie in `logs/<container>`; an image is whatever was imported or loaded under its path's name."""

    logs: Path
    images: dict[str, ImageSummary] = field(default_factory=dict)
    executed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    attached: list[tuple[str, bool, bool, bool]] = field(default_factory=list)
    imported: list[ImportRequest] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    node_name: str = "here"
    measures: Measures = field(default_factory=Measures)

    @property
    def image_transport(self) -> ImageTransport:
        raise NotImplementedError

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
    ) -> ExecTicket:
        if argv == ("crash",):
            raise RuntimeError("secret detail")
        self.executed.append((container, argv))
        return ExecTicket(f"/run/{pod.metadata.uid}.sock", "token")

    async def prepare_attach(
        self, pod: objects.Pod, container: str, *, stdin: bool, stdout: bool, stderr: bool
    ) -> ExecTicket:
        self.attached.append((container, stdin, stdout, stderr))
        return ExecTicket(f"/run/{pod.metadata.uid}.sock", "attach")

    async def anatomy(self, pod: objects.Pod) -> Anatomy | None:
        return None if not pod.spec.node_name else Anatomy({"net": 1})

    async def usage(self) -> Usage:
        return meter.usage(self._reading(100, 0), self._reading(101, 250_000))

    async def reading(self) -> Reading:
        return self._reading(101, 250_000)

    def _reading(self, at: float, cpu: int) -> Reading:
        figures = ContainerFigures(cpu, 3 << 20)
        return Reading(
            at, 1_800_000_000, ContainerFigures(4 * cpu, 1 << 30), {(uid, "main"): figures for uid in self.running}
        )

    def probe_durations(self) -> dict[tuple[str, str, str], Histogram]:
        histogram = Histogram()
        histogram.observe(0.5)
        return {(uid, "main", "liveness"): histogram for uid in self.running}

    def probe_counts(self) -> dict[tuple[str, str, str, str], int]:
        return {(uid, "main", "liveness", "successful"): 3 for uid in self.running}

    async def dial(self, pod: objects.Pod, port: int) -> socket.socket:
        raise PodrunError(f"cannot connect to port {port} inside the pod: connection refused")

    async def start_file_work(self, pod: objects.Pod, container: str, *words: str) -> FileWork:
        raise PodrunError("nothing runs there")

    def log_dir(self, pod: objects.Pod, container: str) -> Path:
        return self.logs / container

    async def image_list(self) -> list[ImageSummary]:
        return list(self.images.values())

    async def image_import(self, request: ImportRequest) -> ImageSummary:
        self.imported.append(request)
        return self._add(request.name)

    async def image_load(self, path: Path) -> list[ImageSummary]:
        if not path.exists():
            raise PodrunError(f"cannot load {path}: no such file", hint="give the path of an archive")
        return [self._add(path.stem)]

    async def image_remove(self, name: str) -> ImageRemoval:
        if name not in self.images:
            raise PodrunError(f'cannot remove image "{name}": no such image')
        gone = self.images.pop(name)
        return ImageRemoval(gone.names, (gone.id,))

    def info(self) -> dict[str, object]:
        return {"node": "fake"}

    def _add(self, name: str) -> ImageSummary:
        image = ImageSummary((name,), f"sha256:{name}", f"sha256:{name}", 1)
        self.images[name] = image
        return image
