"""Pods get their images from a registry, by policy, secrets and back-off as under Kubernetes."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.image.images import ImportOptions
from podrun.image.store import Images
from tests import leaks, wait
from tests.pod import manifests, pods
from tests.pod.conftest import PATH, MakeInstance
from tests.pod.instance import Instance, kill
from tests.registry import PASSWORD, USER, Cable, Registry

Json = manifests.Json


@pytest.fixture(scope="module")
def layout(roots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with the busybox image, to be pushed from."""
    root = tmp_path_factory.mktemp("pushed") / "images"
    Images(root).import_(roots / "busybox", "busybox:1", ImportOptions(cmd=("sh",), env=PATH))
    (noise := root.parent / "noise").mkdir()
    (noise / "noise").write_bytes(os.urandom(1 << 20))
    Images(root).import_(noise, "noise:1")
    return root


@pytest.fixture(scope="module")
def registry(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("open") / "registry") as registry:
        registry.push(layout, "busybox:1")
        registry.push(layout, "noise:1")
        yield registry


@pytest.fixture(scope="module")
def closed(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that asks for a password."""
    with Registry(tmp_path_factory.mktemp("closed") / "registry", password=True) as registry:
        registry.push(layout, "team/busybox:1", "docker.io/library/busybox:1")
        yield registry


def container(image: str, policy: str = "", **fields: object) -> Json:
    made = manifests.busybox(image=image) | fields
    del made["imagePullPolicy"]
    return made | ({"imagePullPolicy": policy} if policy else {})


def is_shown(reason: str) -> pods.Condition:
    return lambda pod: pods.waiting(pod).get("reason") == reason


@pytest.mark.vm
def test_a_pod_gets_its_image_from_the_registry_and_the_events_tell(node: Instance, registry: Registry) -> None:
    image = f"{registry.address}/busybox:1"
    node.apply(manifests.pod("pulled", container(image)), wait=True)
    assert node.exec("pulled", "echo", "hi").stdout == "hi\n"
    shown = pods.container(node.pod("pulled"))
    assert shown["image"] == image
    assert re.fullmatch(rf"{registry.address}/busybox@sha256:[0-9a-f]{{64}}", shown["imageID"])
    events = "\n".join(node.events("pulled"))
    assert f'Pulling Pulling image "{image}"' in events
    told = rf'Pulled Successfully pulled image "{image}" in [0-9hm.]+s \([0-9hm.]+s including waiting\)\.'
    assert re.search(told + r" Image size: \d+ bytes\.", events), events
    node.discard("pulled", 0)
    # Another pod finds it here, without a word to the registry; with Always, the registry is asked.
    asked = len(registry.requests)
    node.apply(manifests.pod("again", container(image)), wait=True)
    assert f'Pulled Container image "{image}" already present on machine' in node.events("again")
    assert len(registry.requests) == asked
    node.discard("again", 0)
    node.apply(manifests.pod("always", container(image, "Always")), wait=True)
    assert any(event.startswith(f'Pulled Successfully pulled image "{image}"') for event in node.events("always"))
    new = registry.requests[asked:]
    assert any("manifests" in request for request in new)
    assert not any("blobs" in request for request in new)
    node.discard("always", 0)


def test_a_missing_image_backs_off_and_another_one_is_taken_at_once(node: Instance, registry: Registry) -> None:
    wrong = f"{registry.address}/busybox:nope"
    node.apply(manifests.pod("wrong", container(wrong)))
    pod = node.wait_for("wrong", is_shown("ImagePullBackOff"), "to back off")
    shown = f'failed to pull and unpack image "{wrong}": failed to resolve reference "{wrong}": {wrong}: not found'
    assert pods.waiting(pod)["message"] == f'Back-off pulling image "{wrong}": ErrImagePull: {shown}'
    assert pods.phase(pod) == "Pending"
    wanted = [
        f'Failed Failed to pull image "{wrong}": {shown}',
        "Failed Error: ErrImagePull",
        f'BackOff Back-off pulling image "{wrong}"',
        "Failed Error: ImagePullBackOff",
    ]
    wait.wait_until(lambda: not set(wanted) - set(node.events("wrong")), "all events")
    node.apply(manifests.pod("wrong", container(f"{registry.address}/busybox:1")))
    node.wait_for("wrong", pods.is_ready, "to run with the right image")
    node.discard("wrong", 0)


def test_names_and_policies_that_cannot_work_say_so(node: Instance, registry: Registry) -> None:
    never = f"{registry.address}/never:1"
    node.submit(
        manifests.pod("invalid", container("a/UPPER")),
        manifests.pod("never", container(never, "Never")),
        manifests.pod("local", container("127.0.0.1:9/gone:1", "Always")),
    )
    pod = node.wait_for("invalid", is_shown("InvalidImageName"), "to be refused")
    assert 'Failed to apply default image tag "a/UPPER": couldn\'t parse image name' in pods.waiting(pod)["message"]
    assert any(event.startswith("InspectFailed Failed to apply") for event in node.events("invalid"))
    pod = node.wait_for("never", is_shown("ErrImageNeverPull"), "to be refused")
    text = f'Container image "{never}" is not present with pull policy of Never'
    assert pods.waiting(pod)["message"] == text
    assert f"ErrImageNeverPull {text}" in node.events("never")
    node.run("image", "tag", manifests.BUSYBOX, never)
    node.wait_for("never", pods.is_ready, "to start with the image that was brought")
    shown = ("ErrImagePull", "ImagePullBackOff")  # the first one for a second
    pod = node.wait_for("local", lambda pod: pods.waiting(pod).get("reason") in shown, "to fail")
    assert "connection refused" in pods.waiting(pod)["message"]
    for name in ("invalid", "never", "local"):
        node.discard(name, 0)


def secret(name: str, address: str, password: str, *, legacy: bool = False) -> Json:
    auths = {address: {"username": USER, "password": password}}
    kind, document = ("dockercfg", auths) if legacy else ("dockerconfigjson", {"auths": auths})
    data = {f".{kind}": base64.b64encode(json.dumps(document).encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": f"kubernetes.io/{kind}",
        "data": data,
    }


def test_pull_secrets_and_logins_open_a_private_registry(make_instance: MakeInstance, closed: Registry) -> None:
    image = f"{closed.address}/team/busybox:1"
    with make_instance() as node:
        node.apply(manifests.pod("denied", container(image), imagePullSecrets=[{"name": "absent"}]))
        pod = node.wait_for("denied", is_shown("ImagePullBackOff"), "to be denied")
        assert (
            "pull access denied, repository does not exist or may require authorization" in pods.waiting(pod)["message"]
        )
        missing = "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."
        assert f"FailedToRetrieveImagePullSecret {missing}" in node.events("denied")
        node.discard("denied", 0)
        node.apply(
            secret("bad", f"{closed.address}/team", "wrong"),
            secret("good", f"https://{closed.address}", PASSWORD),
            manifests.pod("opened", container(image), imagePullSecrets=[{"name": "bad"}, {"name": "good"}]),
        )
        node.wait_for("opened", pods.is_ready, "to be ready")
        node.discard("opened", 0)
        node.wait_gone("opened", "denied")
        assert list(node.paths.pulls_dir.iterdir()) == []
        old = secret("old", closed.address, PASSWORD, legacy=True)
        node.apply(old, manifests.pod("legacy", container(image, "Always"), imagePullSecrets=[{"name": "old"}]))
        node.wait_for("legacy", pods.is_ready, "to be ready")
        node.discard("legacy", 0)
        node.wait_gone("legacy")


def test_a_pod_that_is_deleted_while_it_pulls_goes_at_once(node: Instance, registry: Registry) -> None:
    with Cable(registry.port) as cable:
        cable.limit, cable.stalls = 100_000, True
        node.apply(manifests.pod("stuck", container(f"{cable.address}/noise:1")))
        node.wait_for("stuck", lambda pod: cable.halted.is_set(), "to be in the middle of its pull")
        node.discard("stuck", 30)
        node.wait_gone("stuck")
    wait.wait_until(lambda: not list((node.paths.images / "staging").iterdir()), "the pull to clean up")


def test_a_fetch_that_is_killed_leaves_nothing(node: Instance, registry: Registry) -> None:
    with Cable(registry.port) as cable:
        cable.limit, cable.stalls = 100_000, True
        node.apply(manifests.pod("cut", container(f"{cable.address}/noise:1")))
        node.wait_for("cut", lambda pod: cable.halted.is_set(), "to be in the middle of its pull")
        (fetcher,) = (pid for pid in node.kubelet_pids() if "podrun.registry.transfer" in leaks.text(pid, "cmdline"))
        kill(fetcher)
        wait.wait_until(lambda: any("ended unexpectedly" in each for each in node.events("cut")), "the pull to fail")
        node.discard("cut", 0)
        node.wait_gone("cut")
    wait.wait_until(lambda: not list((node.paths.images / "staging").iterdir()), "what it left to go")
