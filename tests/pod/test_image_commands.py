"""`podrun image` against a registry: pull with progress, passwords, names, archives, removal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.image.store import Images
from tests import wait
from tests.pod import manifests
from tests.pod.instance import COMMAND, Instance
from tests.registry import PASSWORD, USER, Cable, Registry


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a password, and an image of random bytes."""
    directory = tmp_path_factory.mktemp("closed")
    (directory / "noise").mkdir()
    (directory / "noise" / "noise").write_bytes(os.urandom(1 << 20))
    Images(directory / "images").import_(directory / "noise", "noise:1")
    with Registry(directory / "registry", password=True) as registry:
        registry.push(directory / "images", "noise:1")
        yield registry


def test_a_password_opens_the_registry_until_it_is_taken_back(node: Instance, closed: Registry) -> None:
    image = f"{closed.address}/noise:1"
    nobody = node.run("image", "logout", closed.address, check=False)
    assert f"not logged in to {closed.address}" in nobody.stderr
    denied = node.run("image", "pull", image, check=False)
    assert denied.returncode == 1
    assert "pull access denied, repository does not exist or may require authorization" in denied.stderr
    wrong = node.run("image", "login", "-u", USER, "--password-stdin", closed.address, stdin="wrong", check=False)
    assert wrong.returncode == 1
    assert "invalid username/password" in wrong.stderr
    node.run("image", "login", "-u", USER, "--password-stdin", closed.address, stdin=PASSWORD)
    assert node.paths.auth_file.stat().st_mode & 0o777 == 0o600
    pulled = node.run("image", "pull", image)
    assert pulled.stdout == f"image/{image} pulled\n"
    assert "fetched 1.05MB of 1.05MB, unpacked 1 of 1 layers" in pulled.stderr
    node.run("image", "logout", closed.address)
    assert PASSWORD not in node.paths.auth_file.read_text()
    assert node.run("image", "pull", image, check=False).returncode == 1
    assert list(node.paths.pulls_dir.iterdir()) == []


def test_images_are_named_saved_pruned_and_loaded_again(node: Instance, tmp_path: Path) -> None:
    node.run("image", "tag", manifests.BUSYBOX, "mine:1")
    (shown,) = json.loads(node.run("image", "inspect", "mine:1").stdout)
    assert shown["names"] == ["docker.io/library/busybox:1", "docker.io/library/mine:1"]
    assert shown["config"]["config"]["Cmd"] == ["sh"]
    archive = tmp_path / "mine.tar"
    node.run("image", "save", "mine:1", "-o", archive)
    for transport in ("docker-archive", "oci-archive"):
        asked = ["skopeo", "inspect", "--raw", "--config", f"{transport}:{archive}"]
        config = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
        assert config["rootfs"] == shown["config"]["rootfs"]
    assert node.run("image", "save", "gone:1", "-o", tmp_path / "none.tar", check=False).returncode == 1
    assert list(tmp_path.iterdir()) == [archive]
    node.run("image", "rm", "mine:1")
    assert "image/docker.io/library/mine:1 loaded\n" in node.run("image", "load", archive).stdout
    # What a pod uses stays.
    node.apply(manifests.pod("user"), wait=True)
    node.run("image", "tag", manifests.WITNESS, "kept:1")
    node.run("image", "prune", "--all")
    left = node.run("image", "ls", "-o", "name").stdout.split()
    assert "docker.io/library/busybox:1" in left
    assert "docker.io/library/kept:1" not in left
    node.discard("user", 0)
    node.wait_gone("user")


def test_ctrl_c_ends_a_pull_with_its_progress_bar(node: Instance, closed: Registry) -> None:
    node.run("image", "login", "-u", USER, "--password-stdin", closed.address, stdin=PASSWORD)
    with Cable(closed.port) as cable:
        node.run("image", "login", "-u", USER, "--password-stdin", cable.address, stdin=PASSWORD)
        cable.limit, cable.stalls = 300_000, True
        ours, theirs = pty.openpty()
        words = [COMMAND, "image", "pull", f"{cable.address}/noise:1"]
        node.run("image", "prune", "--all")
        pulling = subprocess.Popen(words, env=node.environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        while b"of 1.05MB" not in seen:
            seen += os.read(ours, 1 << 10)
        wait.wait_until(cable.halted.is_set, "the pull to be in its middle")
        pulling.send_signal(signal.SIGINT)
        assert pulling.wait(wait.patient(20)) == 130
        os.close(ours)
        staging = node.paths.images / "staging"
        wait.wait_until(lambda: not list(staging.iterdir()), "the pull to be given up")
    assert "░" in seen.decode()
