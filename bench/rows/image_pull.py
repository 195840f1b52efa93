"""Pull and unpack of an image of 500 MB from a registry on this machine, cold: many small files, some large ones."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from bench.measuring import Alternation, Row, show
from bench.peers import PeersNamespace, Podman
from bench.podrun_node import Node
from bench.stage import Stage
from podrun.image import manifests, platforms
from podrun.linux import mount
from tests.registry import Registry

# For each layer: how many files, and from how many to how many bytes each has.
LAYERS = (
    ((40, 1 << 20, 4 << 20), (1500, 8 << 10, 64 << 10)),
    ((12_000, 512, 16 << 10),),
    ((20, 2 << 20, 8 << 20), (2000, 1 << 10, 32 << 10)),
    ((1, 60 << 20, 60 << 20),),
)
WORDS = [
    f"{prefix}{stem}" for prefix in ("", "un", "re", "de") for stem in ("link", "mount", "do", "fine", "set", "map")
]


def measure(stage: Stage) -> Iterator[Row]:
    show("  making the image")
    memory = stage.directory / "memory"
    memory.mkdir()
    with _in_memory(memory, stage.podman.namespace):
        size = make_image(memory / "pushed", 20 if stage.quick else 1)
        other = Podman(stage.podman.namespace, memory / "podman")
        with other.namespace.entered():
            other.prepare(stage.root)
        with Registry(memory / "registry") as registry, Node(memory) as node:
            name = registry.push(memory / "pushed", "bench/large:1", "large")
            samples = _alternate(node, other, name, rounds=2 if stage.quick else 10)
        other.clean_up()
    yield Row(
        f"image of {size / 1e6:.0f} MB, {len(LAYERS)} layers, pulled and unpacked from a registry on loopback",
        "ms",
        samples,
        "not slower",
        "Everything, the registry included, is on tmpfs: files that were removed just before make some disks slow.",
    )


def _alternate(node: Node, podman: Podman, name: str, rounds: int) -> dict[str, list[float]]:
    def ours() -> float:
        milliseconds = node.timed_command("image", "pull", "--quiet", name)
        node.timed_command("image", "rm", name)
        return milliseconds

    def theirs() -> float:
        milliseconds = podman.run("pull", "--quiet", "--tls-verify=false", name).milliseconds
        podman.run("rmi", "--force", name)
        return milliseconds

    return Alternation(rounds).run({"podrun image pull": ours, "podman pull": theirs}).samples


@contextlib.contextmanager
def _in_memory(directory: Path, theirs: PeersNamespace) -> Iterator[None]:
    """A tmpfs of its own there, for us and for the peers."""
    mount.mount("none", str(directory), "tmpfs")
    with theirs.entered():
        mount.mount("none", str(directory), "tmpfs")
    try:
        yield
    finally:
        mount.umount_detach(str(directory))
        with theirs.entered():
            mount.umount_detach(str(directory))


def make_image(layout: Path, scale: int) -> int:
    """Always the same bytes. Returns how many there are, unpacked."""
    (layout / "blobs/sha256").mkdir(parents=True)
    chance = random.Random(1)
    layers, diff_ids, size = [], [], 0
    for number, kinds in enumerate(LAYERS):
        content = _tar(chance, f"layer{number}", kinds, scale)
        size += len(content)
        diff_ids.append(f"sha256:{hashlib.sha256(content).hexdigest()}")
        packed = subprocess.run(["gzip", "-6", "-n"], input=content, capture_output=True, check=True).stdout
        layers.append(_blob(layout, packed, manifests.LAYER["gzip"]))
    here = {"architecture": platforms.host_architecture(), "os": "linux", "config": {}}
    config = _blob(layout, _json(here | {"rootfs": {"type": "layers", "diff_ids": diff_ids}}), manifests.CONFIG)
    described = {"schemaVersion": 2, "mediaType": manifests.MANIFEST, "config": config, "layers": layers}
    manifest = _blob(layout, _json(described), manifests.MANIFEST) | {"annotations": {manifests.REF_NAME: "large"}}
    (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return size


def _tar(chance: random.Random, top: str, kinds: tuple[tuple[int, int, int], ...], scale: int) -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for kind, (count, least, most) in enumerate(kinds):
            for number in range(max(count // scale, 1)):
                if number % 50 == 0:
                    entry = tarfile.TarInfo(f"{top}/{kind}/{number // 50}")
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
                content = _content(chance, chance.randint(least, most) // (scale if most > 1 << 20 else 1))
                entry = tarfile.TarInfo(f"{top}/{kind}/{number // 50}/{number}")
                entry.size = len(content)
                archive.addfile(entry, BytesIO(content))
    return packed.getvalue()


def _content(chance: random.Random, size: int) -> bytes:
    """About as compressible as programs and texts: noise among words."""
    pieces: list[bytes] = []
    length = 0
    while length < size:
        piece = chance.randbytes(64) if chance.random() < 0.2 else (" ".join(chance.choices(WORDS, k=40))).encode()
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)[:size]


def _blob(layout: Path, content: bytes, media_type: str) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(document: object) -> bytes:
    return json.dumps(document).encode()
