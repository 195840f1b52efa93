"""Images come from a real registry whole or not at all, whatever happens on the way, and nothing is fetched twice."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from podrun.image import choice, config, imports, manifests, platforms, references
from podrun.image.config import ConfigFile, ImageConfig
from podrun.image.images import Image
from podrun.image.layout import Layout
from podrun.image.manifests import Descriptor, Manifest
from podrun.image.store import Images
from podrun.registry import credentials, fetching
from podrun.registry.messages import Progress
from podrun.registry.pulls import Pulled, Pulls
from tests import wait
from tests.registry import PASSWORD, USER, Cable, Registry

FOREIGN = "arm64" if platforms.host_architecture() != "arm64" else "amd64"
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0).decode("utf-8", "surrogateescape")


def compressed(content: bytes, how: str) -> bytes:
    command = {"gzip": ["gzip", "-c"], "zstd": ["zstd", "-qc"], "none": ["cat"]}[how]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in members:
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def file(name: str, content: bytes = b"", mode: int = 0o644, **pax_headers: str) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.pax_headers = len(content), mode, pax_headers
    return entry, content


def directory(name: str, mode: int, uid: int, gid: int) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, gid
    return entry, b""


class Workshop:
    """An OCI layout in which images are made of tars."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._layout = Layout(root)
        self._layout.create()

    def make(self, name: str, *tars: bytes, how: str = "gzip", docker: bool = False, architecture: str = "") -> str:
        """The digest of the manifest."""
        layers, diff_ids = [], []
        for content in tars:
            diff_ids.append(self._layout.put([content]).digest)
            blob = self._layout.put([compressed(content, how)])
            layers.append(msgspec.structs.replace(blob, media_type=manifests.LAYER[how]))
        described = config.encode(
            ConfigFile(
                architecture=architecture or platforms.host_architecture(),
                os="linux",
                variant="",
                created=None,
                config=ImageConfig(),
                diff_ids=tuple(diff_ids),
            ),
            "a test",
        )
        pointed = imports.put_json(self._layout, described, manifests.CONFIG)
        manifest = msgspec.json.encode(Manifest(config=pointed, layers=tuple(layers)))
        return self.name(name, imports.put_json(self._layout, manifest, manifests.MANIFEST))

    def name(self, name: str, descriptor: Descriptor) -> str:
        named = msgspec.structs.replace(descriptor, annotations={manifests.REF_NAME: name})
        self._layout.change_index(lambda index: (*index, named))
        return descriptor.digest

    def index(self, name: str, **by_architecture: str) -> str:
        """An index of images that were made, by architecture."""
        offered = tuple(
            Descriptor(
                digest,
                self._layout.blob(digest).stat().st_size,
                manifests.MANIFEST,
                platform=manifests.Platform(architecture=architecture, os="linux"),
            )
            for architecture, digest in by_architecture.items()
        )
        document = msgspec.json.encode(manifests.Index(manifests=offered))
        return self.name(name, imports.put_json(self._layout, document, manifests.INDEX))


class Node:
    """Pulls of one node, as its kubelet makes them."""

    def __init__(self, directory: Path, insecure: tuple[str, ...] = ()) -> None:
        self.images = Images(directory / "images")
        self.scratch = directory / "scratch"
        self._auth = directory / "auth.json"
        self._insecure = insecure

    def run(self, *names: str, meanwhile: Callable[[], None] = lambda: None) -> list[Pulled | BaseException]:
        """All at once, in one kubelet; `meanwhile` runs beside them, in a thread."""

        async def scenario() -> list[Pulled | BaseException]:
            with ThreadPoolExecutor(2) as disk:
                pulls = Pulls(self.images, self.scratch, self._auth, self._insecure, disk)
                beside = asyncio.get_running_loop().run_in_executor(disk, meanwhile)
                results = await asyncio.gather(
                    *(pulls.pull(references.parse(name)) for name in names), return_exceptions=True
                )
                await beside
                await pulls.close()
                return results

        return asyncio.run(scenario())

    def pull(self, name: str) -> Image:
        (result,) = self.run(name)
        if isinstance(result, BaseException):
            raise result
        return result.image

    def refusal(self, name: str, **options: Callable[[], None]) -> fetching.PullError:
        (result,) = self.run(name, **options)
        assert isinstance(result, fetching.PullError), result
        self.check_nothing_is_left()
        return result

    def check_nothing_is_left(self) -> None:
        """No interrupted work, no blob and no layer that no image has, no credential."""
        root = self.images.layout.root
        assert not list((root / "staging").iterdir()) if (root / "staging").exists() else True
        blobs = {path.name for path in (root / "blobs/sha256").glob("*")}
        wanted = set()
        for image in self.images.list():
            manifest = self.images.manifest(image.digest)
            wanted |= {image.digest, image.id, *(layer.digest for layer in manifest.layers)}
        assert blobs == {digest.removeprefix("sha256:") for digest in wanted}
        assert len(list((root / "layers").glob("l*[0-9a-f]"))) == len({n for i in self.images.list() for n in i.layers})
        assert not self.scratch.exists() or not list(self.scratch.iterdir())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("workshop") / "layout")
    base = tar(
        directory("etc", mode=0o700, uid=7, gid=8),
        file("bin/ping", mode=0o4755, **{"SCHILY.xattr.security.capability": CAPABILITY}),
        file("noise", os.urandom(2 << 20)),
    )
    top = tar(file("etc/motd", b"hello"))
    shop.make("base:1", base)
    shop.make("app:1", base, top)
    shop.make("other:1", base, tar(file("other", b"1")))
    shop.make("zstd:1", base, top, how="zstd")
    shop.make("plain:1", base, top, how="none")
    foreign = shop.make("foreign:1", top, architecture=FOREIGN)
    here = shop.make("here:1", top)
    shop.index("many:1", **{FOREIGN: foreign, platforms.host_architecture(): here})
    shop.index("elsewhere:1", **{FOREIGN: foreign})
    return shop


NAMES = ("base", "app", "other", "zstd", "plain", "foreign", "many", "elsewhere")


@pytest.fixture(scope="module")
def registry(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "registry") as registry:
        for name in NAMES:
            registry.push(workshop.root, f"{name}:1", f"{name}:1")
        yield registry


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def looks(node: Node, image: Image) -> tuple[object, ...]:
    """What xattrs, capabilities and inherited directories look like, and a file's content."""
    top, base = (node.images.layers_directory / name for name in image.layers)
    etc = (top / "etc").stat()
    return (
        os.getxattr(base / "bin/ping", "security.capability")[:4],
        oct((base / "bin/ping").stat().st_mode & 0o7777),
        (oct(etc.st_mode & 0o7777), etc.st_uid, etc.st_gid),
        (top / "etc/motd").read_text(),
    )


@pytest.mark.parametrize("name", ["app", "zstd", "plain"])
def test_an_image_is_as_its_registry_has_it_whatever_its_compression(node: Node, registry: Registry, name: str) -> None:
    image = node.pull(f"{registry.address}/{name}:1")
    assert looks(node, image) == (struct.pack("<I", 0x02000001), "0o4755", ("0o700", 7, 8), "hello")
    assert image.names == (f"{registry.address}/{name}:1",)
    node.check_nothing_is_left()


def test_layers_that_are_here_are_not_fetched_again_nor_those_on_their_way(node: Node, registry: Registry) -> None:
    before = len(registry.requests)
    names = [f"{registry.address}/{name}:1" for name in ("app", "other", "base", "app")]
    results = node.run(*names)
    assert [isinstance(result, Pulled) for result in results] == [True] * 4
    layers = {layer.digest for image in node.images.list() for layer in node.images.manifest(image.digest).layers}

    def fetched() -> list[str]:
        asked = [each.split("/blobs/")[1] for each in registry.requests[before:] if re.match("GET .*/blobs/", each)]
        return sorted(digest for digest in asked if digest in layers)

    wait.wait_until(lambda: len(fetched()) >= len(layers), "the registry to have noted all")  # after it has answered
    assert fetched() == sorted(layers)
    node.check_nothing_is_left()


def test_a_digest_names_an_image_and_an_index_gives_the_one_for_this_machine(node: Node, registry: Registry) -> None:
    image = node.pull(f"{registry.address}/many:1")
    found = node.pull(f"{registry.address}/many@{image.digest}")
    assert found.digest == image.digest
    index = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.address}/many:1"],
        capture_output=True,
        check=True,
    )
    by_index = f"{registry.address}/many@{choice.digest_of(index.stdout)}"
    assert image.origins == (by_index,)
    known = node.images.find(by_index)
    assert known is not None
    assert known.digest == image.digest
    assert set(known.origins) == {by_index, f"{registry.address}/many@{image.digest}"}
    assert node.pull(by_index).digest == image.digest
    node.images.remove(f"{registry.address}/many:1")
    assert node.images.find(by_index) is not None


@pytest.mark.parametrize("name", ["foreign", "elsewhere"])
def test_an_image_for_other_machines_is_refused(node: Node, registry: Registry, name: str) -> None:
    text = f"it is made for linux/{FOREIGN} and this machine is linux/{platforms.host_architecture()}"
    assert text in node.refusal(f"{registry.address}/{name}:1").message


def test_what_is_not_there_or_not_to_be_reached_is_said(node: Node, registry: Registry) -> None:
    assert node.refusal(f"{registry.address}/app:2").message.endswith("/app:2: not found")
    assert node.refusal(f"{registry.address}/none:1").message.endswith("/none:1: not found")
    assert "connection refused" in node.refusal("127.0.0.1:9/app:1").message


def test_a_certificate_nobody_vouches_for_is_taken_on_loopback_alone(workshop: Workshop, tmp_path: Path) -> None:
    with Registry(tmp_path / "registry", tls=True) as registry:
        registry.push(workshop.root, "base:1", "base:1")
        assert Node(tmp_path / "node").pull(f"{registry.address}/base:1")


def test_a_connection_that_is_cut_leaves_nothing_and_the_next_try_succeeds(node: Node, registry: Registry) -> None:
    with Cable(registry.port) as cable:
        cable.limit = 1 << 19  # of more, a newer skopeo would ask for the rest by itself
        assert "unexpected EOF" in node.refusal(f"{cable.address}/app:1").message
        cable.limit = None
        assert node.pull(f"{cable.address}/app:1")
    node.check_nothing_is_left()


KUBELET = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from podrun.image import references
from podrun.image.store import Images
from podrun.registry.pulls import Pulls
async def main():
    root = Path(sys.argv[1])
    pulls = Pulls(Images(root / "images"), root / "scratch", root / "auth.json", (), ThreadPoolExecutor(2))
    await pulls.pull(references.parse(sys.argv[2]))
asyncio.run(main())
"""


def children_of(pid: int) -> list[int]:
    """All that descend from a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *children_of(int(child))]
    return found


def skopeo_among(pids: list[int]) -> int | None:
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "skopeo":
                return pid
    return None


def is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


@pytest.mark.parametrize("victim", ["kubelet", "skopeo"])
def test_a_pull_that_is_killed_leaves_no_process_and_no_half_image(
    node: Node, registry: Registry, tmp_path: Path, victim: str
) -> None:
    with Cable(registry.port) as cable:
        cable.limit, cable.stalls = 1 << 20, True
        name = f"{cable.address}/app:1"
        kubelet = subprocess.Popen([sys.executable, "-c", KUBELET, tmp_path, name], stderr=subprocess.DEVNULL)
        wait.wait_until(cable.halted.is_set, "the pull to be in its middle")
        family = children_of(kubelet.pid)
        skopeo = skopeo_among(family)
        assert skopeo is not None
        os.kill(kubelet.pid if victim == "kubelet" else skopeo, signal.SIGKILL)
        assert kubelet.wait(wait.patient(20)) != 0
        wait.wait_until(lambda: all(map(is_gone, family)), "all of the pull to be gone")
        node.images.sweep()  # as each kubelet does when it starts
        cable.limit = None
        assert node.images.list() == ()
        assert node.pull(name)
    node.check_nothing_is_left()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_said_and_leaves_no_half_image(small_disk: Path, registry: Registry) -> None:
    """Whether it is the credential, a blob, the config or a file of a layer that finds no room."""
    node = Node(small_disk)
    kept = node.pull(f"{registry.address}/many:1")
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    for left in (0, 64 << 10, 1 << 20, 2 << 20, free):  # in the last, the blobs fit, and not once more unpacked
        ballast.write_bytes(bytes(free - left))
        error = node.refusal(f"{registry.address}/app:1")
        assert "no space left on device" in error.message
        assert f"free some space on the filesystem of {small_disk}" in (error.hint or "")
        assert ("PODRUN_ROOT" in (error.hint or "")) is (left > 0), "the credential lies elsewhere"
    assert node.images.list() == (kept,)


def test_damaged_layers_are_refused(node: Node, workshop: Workshop, tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry:
        registry.push(workshop.root, "base:1", "base:1")
        (layer,) = (
            Images(workshop.root)
            .manifest(next(d.digest for d in Layout(workshop.root).index() if d.name == "base:1"))
            .layers
        )
        path = registry.blob_path(layer.digest)
        path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
        node.refusal(f"{registry.address}/base:1")


def test_the_credential_of_a_pull_is_a_private_file_while_it_lasts(
    node: Node, workshop: Workshop, tmp_path: Path
) -> None:
    with Registry(tmp_path / "registry", password=True) as registry:
        registry.push(workshop.root, "base:1", "base:1")
        with Cable(registry.port) as cable:
            cable.limit, cable.stalls = 1 << 20, True

            async def scenario() -> None:
                with ThreadPoolExecutor(2) as disk:
                    pulls = Pulls(node.images, node.scratch, tmp_path / "auth.json", (), disk)
                    ring = credentials.parse_config(
                        credentials.auth_file(cable.address, credentials.Credential(USER, PASSWORD))
                    )
                    seen: list[Progress] = []
                    asked = pulls.pull(references.parse(f"{cable.address}/base:1"), [ring], seen.append)
                    pulling = asyncio.create_task(asked)
                    while not (cable.halted.is_set() and seen):
                        assert not pulling.done(), pulling
                        await asyncio.sleep(0.01)
                    (secret,) = node.scratch.iterdir()
                    assert secret.stat().st_mode & 0o777 == 0o600
                    assert node.scratch.stat().st_mode & 0o777 == 0o700
                    pulling.cancel()
                    await asyncio.gather(pulling, return_exceptions=True)
                    await pulls.close()

            asyncio.run(scenario())
    node.check_nothing_is_left()
