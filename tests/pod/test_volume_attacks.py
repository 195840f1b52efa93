"""Images and programs that want a mount, a message or a removal to land somewhere else on the machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.image.images import ImportOptions
from podrun.image.store import Images
from tests import images
from tests.pod import manifests, pods
from tests.pod.instance import Instance

UP = "../" * 30


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A directory of the machine that the attacks aim at, and that nothing may happen to."""
    directory = tmp_path / "target"
    directory.mkdir(mode=0o700)
    (directory / "kept").write_text("kept\n")
    yield directory
    assert os.listdir(directory) == ["kept"]
    assert (directory / "kept").read_text() == "kept\n"
    assert directory.stat().st_mode & 0o7777 == 0o700


def import_image(node: Instance, root: Path, name: str, links: dict[str, str]) -> str:
    """busybox with links in it; what a link replaces goes."""
    images.make_busybox_root(root)
    for path, leads_to in links.items():
        if (root / path).is_dir():
            (root / path).rmdir()
        (root / path).symlink_to(leads_to)
    options = ImportOptions(cmd=("sh",), env=("PATH=/bin:/sbin:/usr/bin:/usr/sbin",))
    Images(node.paths.images).import_(root, name, options)
    return name


def test_links_in_an_image_lead_mounts_and_messages_to_places_inside(
    node: Instance, tmp_path: Path, target: Path
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    links = {
        "data": str(target),
        "up": f"{UP}{target}",
        "message": f"{UP}{beside}/message",
        "self": "/proc/self/root/tmp",
    }
    image = import_image(node, tmp_path / "root", "links:1", links)
    script = f"echo x > /data/note; cat {target}/note; ls {target}; echo last > /message"
    attacker = manifests.busybox(
        script=script,
        image=image,
        terminationMessagePath="/message",
        volumeMounts=[{"name": "v", "mountPath": "/data"}, {"name": "v", "mountPath": "/up/deeper"}],
    )
    node.apply(manifests.pod("links", attacker, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never"))
    pod = node.wait_for("links", pods.has_ended, "the end")
    assert node.log_lines(pod)[0] == "x", "control: the volume is there, inside"
    assert pods.terminated(pod)["message"] == "last\n"
    assert not os.listdir(beside)


@pytest.mark.parametrize("place", ["proc", "sys", "dev"])
def test_an_image_whose_system_directory_is_a_link_does_not_start(
    node: Instance, tmp_path: Path, target: Path, place: str
) -> None:
    image = import_image(node, tmp_path / "root", f"system-{place}:1", {place: str(target)})
    attacker = manifests.busybox("attacker", "echo ran", image=image)
    node.apply(manifests.pod(place, attacker, manifests.busybox("control", "echo ran"), restartPolicy="Never"))
    pod = node.wait_for(place, pods.has_ended, "the end")
    assert pods.terminated(pod, "attacker")["reason"] == "StartError"
    assert f"/{place}: in this image it is no plain directory" in pods.terminated(pod, "attacker")["message"]
    assert node.log_lines(pod, "attacker") == []
    assert node.log_lines(pod, "control") == ["ran"]


def test_a_program_cannot_put_a_link_in_place_of_its_last_words(node: Instance) -> None:
    script = (
        "log=/dev/termination-log; rm -f $log 2>&1; mv $log /tmp/x 2>&1; ln -sf /etc/shadow $log 2>&1; "
        "echo mine > $log; ls -l $log | cut -c1-10"
    )
    node.apply(manifests.pod("words", manifests.busybox(script=script), restartPolicy="Never"))
    pod = node.wait_for("words", pods.has_ended, "the end")
    lines = node.log_lines(pod)
    assert len([line for line in lines if "busy" in line]) >= 2
    assert lines[-1].startswith("-"), "control: it is still the file"
    assert pods.terminated(pod)["message"] == "mine\n"


@pytest.mark.parametrize(
    ("mount", "volume", "field"),
    [
        ({"subPath": "a/../../b"}, {"emptyDir": {}}, "spec.containers[0].volumeMounts[0].subPath"),
        ({"subPath": "/etc"}, {"emptyDir": {}}, "spec.containers[0].volumeMounts[0].subPath"),
        ({"subPathExpr": "../$(A)"}, {"emptyDir": {}}, "spec.containers[0].volumeMounts[0].subPathExpr"),
        ({}, {"hostPath": {"path": "/tmp/../etc"}}, "spec.volumes[0].hostPath.path"),
        (
            {},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}},
            "spec.volumes[0].configMap.items[0].path",
        ),
        (
            {},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "..data"}]}},
            "spec.volumes[0].configMap.items[0].path",
        ),
    ],
)
def test_ways_up_are_refused_with_their_path(node: Instance, mount: object, volume: object, field: str) -> None:
    container = manifests.busybox(volumeMounts=[{"name": "v", "mountPath": "/v", **mount}])
    manifest = manifests.pod("up", container, volumes=[{"name": "v", **volume}])
    refused = node.run("apply", "-f", "-", stdin=json.dumps(manifest), check=False)
    assert refused.returncode == 1
    assert field in refused.stderr
    assert node.find_pod("up") is None


def test_what_a_program_left_in_its_volumes_is_removed_and_nothing_else(node: Instance, target: Path) -> None:
    script = (
        f"cd /v; ln -s {target} out; ln -s {target}/kept file; mkdir -p locked/in; chmod 0 locked; "
        "i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done; "
        f"ln -s {UP}{target} up; mkfifo pipe; mknod null c 1 3; echo made; " + manifests.SLEEP
    )
    both = [{"name": "v", "mountPath": "/v"}, {"name": "m", "mountPath": "/m"}]
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]
    node.apply(manifests.pod("left", manifests.busybox(script=script, volumeMounts=both), volumes=volumes))
    pod = node.wait_for("left", lambda pod: node.log_lines(pod) == ["made"], "the tree to be made", 60)
    directory = node.paths.pod_dir(pods.uid(pod))
    assert (directory / "volumes" / "empty-dir" / "v" / "d" / "d" / "d").is_dir(), "control"
    node.run("delete", "pod", "left", "--now")
    assert not directory.exists()
