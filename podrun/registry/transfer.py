"""One image from its registry into the layout: `python -m podrun.registry.transfer`, a job on stdin, reports on stdout.

A process of its own, so that unpacking costs the kubelet neither time nor memory, and that ending it ends the work.
skopeo fetches into a directory of its own beside the layout; each layer is unpacked as soon as it is there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podrun.errors import PodrunError
from podrun.image import layers
from podrun.image.config import ConfigFile
from podrun.image.errors import BadImage
from podrun.image.manifests import Descriptor, Manifest
from podrun.image.removal import remove_tree
from podrun.image.store import Images, named_from
from podrun.linux import prctl
from podrun.registry import skopeo, unpacking
from podrun.registry.messages import Done, Failed, Job, Progress, Report
from podrun.registry.skopeo import Complaint
from podrun.registry.unpacking import Unpacking

LOOK = 0.05  # seconds between looks at what skopeo has fetched
MOST_PROCESSES = 4
LONGEST_COMPLAINT = 1 << 20  # bytes of what skopeo says on stderr


class SkopeoFailed(Exception):
    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.reason)
        self.complaint = complaint


class Transfer:
    """Fetches, unpacks and names the image of one job. Whatever fails: nothing half made is left."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._images = Images(Path(job.images))
        self._layout = self._images.layout
        self._directory = self._layout.staging / f"pull-{secrets.token_hex(8)}"
        self._blobs = self._directory / "blobs" / "sha256"
        self._working: dict[str, Unpacking] = {}  # by diff id
        self._unpacked: dict[str, tuple[Path, dict[int, str]]] = {}
        self._told = Progress(-1, 0, 0, 0)
        self._complaint = os.memfd_create("complaint")  # a memory file: a disk may be full

    def run(self) -> None:
        """SkopeoFailed, BadImage, OSError, PodrunError."""
        with self._images.explained("pull it"), self._images.swept(), self._layout.writing():
            try:
                self._fetch()
            finally:
                self._clean_up()

    def _clean_up(self) -> None:
        for one in self._working.values():
            unpacking.abandon(one)
        for staged in (*(one.staged for one in self._working.values()), *(path for path, _ in self._unpacked.values())):
            self._images.unpacked.discard(staged)
        with contextlib.suppress(FileNotFoundError):
            remove_tree(self._directory, aside=self._layout.staging)

    def _fetch(self) -> None:
        self._layout.put([self._job.manifest], expected=self._job.digest)
        manifest = self._images.manifest(self._job.digest)
        self._seed(manifest)
        with self._skopeo_copy() as copying:
            self._put_config(manifest)
            _, file = self._images.runnable(self._job.digest)
            self._follow(copying, manifest, file)
        self._publish(manifest, file)
        descriptor = Descriptor(self._job.digest, len(self._job.manifest), self._job.media_type)
        self._images.commit([(named_from(descriptor, self._job.origin), self._job.names)])

    def _seed(self, manifest: Manifest) -> None:
        """Layers that other images have are not fetched again: skopeo finds them by their names."""
        self._blobs.mkdir(parents=True)
        for layer in manifest.layers:
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                os.link(self._layout.blob(layer.digest), self._blobs / _hex(layer))

    def _put_config(self, manifest: Manifest) -> None:
        with contextlib.suppress(BadImage):
            self._layout.read(manifest.config.digest)
            return
        command = skopeo.read_config(self._job.source, f"@{self._job.digest}")
        asked = subprocess.run(
            command, env=skopeo.environment(os.environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if asked.returncode != 0:
            raise self._failure(asked.stderr)
        self._layout.put([asked.stdout], expected=manifest.config.digest)

    @contextlib.contextmanager
    def _skopeo_copy(self) -> Iterator[subprocess.Popen[bytes]]:
        command = skopeo.copy(self._job.source, self._job.digest, str(self._directory))
        parent = os.getpid()

        def die_with_us() -> None:
            prctl.set_parent_death_signal(signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        copying = subprocess.Popen(
            command,
            env=skopeo.environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaint,
            preexec_fn=die_with_us,  # no thread but ours
        )
        try:
            yield copying
        finally:
            copying.kill()
            copying.wait()

    def _follow(self, copying: subprocess.Popen[bytes], manifest: Manifest, file: ConfigFile) -> None:
        """Until all is fetched and unpacked."""
        pairs = list(zip(manifest.layers, file.diff_ids, layers.chain_ids(file.diff_ids), strict=True))
        missing = {diff: layer for layer, diff, chain in pairs if self._images.unpacked.find(chain) is None}
        slots = min(MOST_PROCESSES, len(os.sched_getaffinity(0)))
        skopeo_fd = os.pidfd_open(copying.pid)
        try:
            while True:
                fetched = copying.poll() == 0
                if copying.returncode not in (None, 0):
                    raise self._failure(os.pread(self._complaint, LONGEST_COMPLAINT, 0))
                for diff_id, layer in list(missing.items()):
                    if len(self._working) < slots and (self._blobs / _hex(layer)).exists():
                        self._working[diff_id] = unpacking.start(
                            self._images.unpacked, self._blobs / _hex(layer), diff_id
                        )
                        del missing[diff_id]
                    elif fetched and not (self._blobs / _hex(layer)).exists():
                        raise BadImage(f"skopeo left layer {layer.digest} out")
                self._report(manifest, len(set(file.diff_ids)) - len(missing) - len(self._working))
                if fetched and not missing and not self._working:
                    return
                self._wait([*(() if fetched else (skopeo_fd,)), *(one.pidfd for one in self._working.values())])
        finally:
            os.close(skopeo_fd)

    def _wait(self, descriptors: list[int]) -> None:
        """For a moment, or until a process ends; takes what those that have ended say."""
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(LOOK * 1000)}
        for diff_id, one in list(self._working.items()):
            if one.pidfd in ready:
                del self._working[diff_id]
                self._unpacked[diff_id] = (one.staged, unpacking.finish(one))

    def _publish(self, manifest: Manifest, file: ConfigFile) -> None:
        for layer in manifest.layers:
            if not self._layout.blob(layer.digest).exists():
                os.rename(self._blobs / _hex(layer), self._layout.blob(layer.digest))
        below: list[str] = []
        for diff_id, chain in zip(file.diff_ids, layers.chain_ids(file.diff_ids), strict=True):
            name = self._images.unpacked.find(chain)
            if name is None:
                name = self._publish_one(diff_id, chain, below, self._layer_of(manifest, file, diff_id))
            below.insert(0, name)

    def _publish_one(self, diff_id: str, chain: str, below: list[str], layer: Descriptor) -> str:
        if diff_id not in self._unpacked:  # the same tar twice in one image, or removed by somebody meanwhile
            return self._images.unpacked.unpack(self._layout.blob(layer.digest), diff_id, chain, below)
        staged, unannounced = self._unpacked.pop(diff_id)
        return self._images.unpacked.publish(staged, unannounced, chain, below)

    def _layer_of(self, manifest: Manifest, file: ConfigFile, diff_id: str) -> Descriptor:
        return manifest.layers[file.diff_ids.index(diff_id)]

    def _report(self, manifest: Manifest, unpacked: int) -> None:
        """Tells how far it is, if that has changed."""
        sizes = {_hex(layer): layer.size for layer in manifest.layers}
        fetched = 0
        with contextlib.suppress(FileNotFoundError):
            for path in (*self._directory.glob("oci-put-blob*"), *self._blobs.iterdir()):
                if path.parent != self._blobs or path.name in sizes:
                    fetched += path.stat().st_size
        total = sum(sizes.values())
        progress = Progress(min(fetched, total), total, max(unpacked, 0), len(manifest.layers))
        if progress != self._told:
            self._told = progress
            _tell(progress)

    def _failure(self, stderr: bytes) -> Exception:
        text = stderr.decode(errors="replace")
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number).lower() in text:
                return OSError(number, os.strerror(number))
        return SkopeoFailed(skopeo.complaint(text, self._job.names[0]))


def _hex(layer: Descriptor) -> str:
    return layer.digest.removeprefix("sha256:")


def _tell(report: Report) -> None:
    os.write(1, msgspec.json.encode(report) + b"\n")


def _end(*_: object) -> None:
    raise SystemExit(1)


def main() -> int:
    prctl.set_parent_death_signal(signal.SIGKILL)
    signal.signal(signal.SIGTERM, _end)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    if os.getppid() != job.parent:
        return 1
    try:
        Transfer(job).run()
    except SkopeoFailed as error:
        found = error.complaint
        _tell(Failed(found.reason, None, found.is_refused, found.is_unavailable))
    except PodrunError as error:
        _tell(Failed(error.message.removeprefix("cannot pull it: "), error.hint))
    else:
        _tell(Done())
    return 0


if __name__ == "__main__":
    sys.exit(main())
