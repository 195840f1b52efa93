"""Who the programs of a pod are: the pod's wish over the image's, in status and in execs too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

GROUPS = "root:x:0:\nwww-data:x:33:\nextra:x:3000:other,www-data\n"


@pytest.fixture(scope="module", autouse=True)
def www_image(node: Instance, roots: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its user is a name, and a member of a further group."""
    root = tmp_path_factory.mktemp("www") / "root"
    subprocess.run(["cp", "-a", roots / "busybox", root], check=True)
    (root / "etc" / "group").write_text(GROUPS)
    node.run("image", "import", root, "www:1", "--user", "www-data")


def shown_user(node: Instance, name: str, container: str = "main") -> object:
    return pods.container(node.pod(name), container)["user"]["linux"]


@pytest.mark.vm
def test_the_containers_user_stands_over_the_pods_and_that_over_the_images(node: Instance) -> None:
    probe = {"exec": {"command": ["sh", "-c", "id >> /tmp/probed"]}, "periodSeconds": 1}
    own = {"runAsUser": 1000, "runAsGroup": 2000}
    node.apply(
        manifests.pod(
            "users",
            manifests.busybox("own", image="www:1", securityContext=own, readinessProbe=probe),
            manifests.busybox("pods", image="www:1"),
            securityContext={"runAsUser": 65534, "supplementalGroups": [5000, 5001]},
        ),
        wait=True,
    )
    who = "uid=1000 gid=2000 groups=2000,5000,5001"
    assert node.exec("users", "id", container="own").stdout == f"{who}\n"
    assert node.exec("users", "head", "-n", "1", "/tmp/probed", container="own").stdout == f"{who}\n"
    assert node.exec("users", "id", "-u", container="pods").stdout == "65534\n"
    assert shown_user(node, "users", "own") == {"uid": 1000, "gid": 2000, "supplementalGroups": [2000, 5000, 5001]}
    status = node.exec("users", "grep", "-E", "^(Uid|Gid|Groups)", "/proc/1/status", container="own").stdout.split()
    assert status == ["Uid:", *["1000"] * 4, "Gid:", *["2000"] * 4, "Groups:", "2000", "5000", "5001"]


def test_groups_of_the_image_are_merged_unless_the_policy_is_strict(node: Instance) -> None:
    for policy in ("Merge", "Strict"):
        context = {"supplementalGroups": [5000], "supplementalGroupsPolicy": policy}
        node.submit(manifests.pod(policy.lower(), manifests.busybox(image="www:1"), securityContext=context))
    merged = {"uid": 33, "gid": 33, "supplementalGroups": [33, 3000, 5000]}
    node.wait_for("merge", pods.is_ready, "to be ready")
    node.wait_for("strict", pods.is_ready, "to be ready")
    assert shown_user(node, "merge") == merged
    assert shown_user(node, "strict") == merged | {"supplementalGroups": [33, 5000]}
    assert node.exec("strict", "id").stdout == "uid=33(www-data) gid=33(www-data) groups=33(www-data),5000\n"


def test_run_as_non_root_is_checked_before_a_container_starts(node: Instance) -> None:
    policy = {"runAsNonRoot": True}
    node.apply(
        manifests.pod(
            "non-root",
            manifests.busybox("image-root"),
            manifests.busybox("own-root", securityContext={"runAsUser": 0}),
            manifests.busybox("named", image="www:1"),
            manifests.busybox("good", image="www:1", securityContext={"runAsUser": 33}),
            manifests.busybox("may", securityContext={"runAsNonRoot": False}),
            securityContext=policy,
        )
    )
    refused = ("image-root", "own-root", "named")
    pod = node.wait_for(
        "non-root",
        lambda pod: (
            all(pods.waiting(pod, name).get("reason") == "CreateContainerConfigError" for name in refused)
            and all(pods.is_running(pod, name) for name in ("good", "may"))
        ),
        "three refused and two running containers",
    )
    where = f'(pod: "non-root_default({pods.uid(pod)})", container: '
    assert [pods.waiting(pod, name)["message"] for name in refused] == [
        f"container has runAsNonRoot and image will run as root {where}image-root)",
        f"container's runAsUser breaks non-root policy {where}own-root)",
        "container has runAsNonRoot and image has non-numeric user (www-data), cannot verify user is non-root "
        f"{where}named)",
    ]
    assert any("Error: container's runAsUser breaks non-root policy" in event for event in node.events("non-root"))
