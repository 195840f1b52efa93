"""Instances of podrun for the tests of this folder. `node` is shared by a module, `own_node` is one test's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from podrun.image.images import ImportOptions
from podrun.image.store import Images
from podrun.linux import mount
from tests import images
from tests.pod import manifests
from tests.pod.instance import Instance
from tests.witness import build

PATH = ("PATH=/bin:/sbin:/usr/bin:/usr/sbin",)
MakeInstance = Callable[..., AbstractContextManager[Instance]]


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root filesystems that images are imported from: busybox and witness."""
    directory = tmp_path_factory.mktemp("roots")
    images.make_busybox_root(directory / "busybox")
    (directory / "witness").mkdir()
    (directory / "witness" / "witness").write_bytes(build.witness().read_bytes())
    (directory / "witness" / "witness").chmod(0o755)
    for name in ("tmp", "etc", "proc", "dev", "sys"):
        (directory / "witness" / name).mkdir()
    return directory


def import_images(roots: Path, directory: Path) -> None:
    """Both images into the store in `directory`, without a kubelet: its own commands have a test of their own."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Images(directory)
    store.import_(roots / "busybox", manifests.BUSYBOX, ImportOptions(cmd=("sh",), env=PATH))
    store.import_(roots / "witness", manifests.WITNESS, ImportOptions(entrypoint=("/witness",), env=PATH))


@pytest.fixture(scope="session")
def make_instance(roots: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeInstance:
    """Makes an instance with both images; to be entered with `with`, which starts its kubelet."""

    def make(**settings: object) -> Instance:
        instance = Instance(tmp_path_factory.mktemp("node"), **settings)
        import_images(roots, instance.paths.images)
        return instance

    return make


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB and 20000 files, to be filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount.mount("tmpfs", str(disk), "tmpfs", data="size=96m,nr_inodes=20000")
    try:
        yield disk
    finally:
        mount.umount_detach(str(disk))


@pytest.fixture(scope="module")
def node(make_instance: MakeInstance) -> Iterator[Instance]:
    with make_instance() as instance:
        yield instance


@pytest.fixture
def own_node(make_instance: MakeInstance) -> Iterator[Instance]:
    with make_instance() as instance:
        yield instance
