"""A container's upper directory looks like its image's root, and goes whole, whatever the container made of it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_tars import directory, file, tar

from podrun.errors import PodrunError
from podrun.image import snapshots
from podrun.image.filesystem import check_root_filesystem
from podrun.image.images import Image
from podrun.image.store import Images


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path / "images")


@pytest.fixture
def image(tmp_path: Path, images: Images) -> Image:
    (tmp_path / "root.tar").write_bytes(tar(directory("./", mode=0o751, uid=3, gid=4), file("etc/motd")))
    return images.import_(tmp_path / "root.tar", "motd")


def in_overlay(snapshot: snapshots.Snapshot, command: str) -> str:
    options = f"lowerdir={':'.join(snapshot.lowers)},upperdir={snapshot.upper},workdir={snapshot.work},volatile"
    script = f"cd {snapshot.layers} && mount -t overlay overlay -o {options} /mnt && cd /mnt && {command}"
    call = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_a_container_writes_to_its_upper_directory_alone(tmp_path: Path, images: Images, image: Image) -> None:
    pod = tmp_path / "pods/uid"
    snapshot = snapshots.prepare(pod, "web", 0, image, images.layers_directory)
    seen = in_overlay(
        snapshot, "stat -c '%a %u:%g' . && cat etc/motd && echo changed >etc/motd && rm -r etc && echo x >y"
    )
    assert seen.split() == ["751", "3:4", "good"]
    assert (images.layers_directory / image.layers[0] / "etc/motd").read_text() == "good"
    assert (snapshot.upper / "y").read_text() == "x\n"
    assert snapshot.upper == pod / "containers/web/0/upper"
    assert stat.S_IMODE((pod / "containers").stat().st_mode) == 0o700


def test_a_new_try_of_an_attempt_begins_empty(tmp_path: Path, images: Images, image: Image) -> None:
    pod = tmp_path / "pods/uid"
    for _ in range(2):
        # A volatile overlay refuses its old work directory: it must be a new one.
        snapshot = snapshots.prepare(pod, "web", 3, image, images.layers_directory)
        assert in_overlay(snapshot, "ls && echo x >mine").split() == ["etc"]
    other = snapshots.prepare(pod, "web", 4, image, images.layers_directory)
    assert in_overlay(other, "ls").split() == ["etc"]
    snapshots.remove(pod, "web", 3)
    snapshots.remove(pod, "web", 3)
    assert os.listdir(pod / "containers/web") == ["4"]


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Path]:
    parts = [tmp_path / name for name in ("lower", "upper", "work", "merged")]
    for part in parts:
        part.mkdir()
    options = f"lowerdir={parts[0]},upperdir={parts[1]},workdir={parts[2]}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, parts[3]], check=True)
    yield parts[3]
    subprocess.run(["umount", parts[3]], check=True)


def test_a_root_on_overlayfs_is_refused_with_a_way_out(overlay: Path, tmp_path: Path) -> None:
    for path in (overlay, overlay / "not/there/yet"):
        with pytest.raises(PodrunError) as caught:
            check_root_filesystem(path)
        assert caught.value.message.startswith(f"cannot keep containers in {path}: it is on overlayfs")
        assert "PODRUN_ROOT" in (caught.value.hint or "")
    check_root_filesystem(tmp_path)
    check_root_filesystem(tmp_path / "not/there/yet")
    check_root_filesystem(Path("/dev/shm"))
