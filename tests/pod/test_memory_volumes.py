"""emptyDir in memory: one for all containers of a pod, on no disk, and it outlives containers and kubelets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance

MOUNT = [{"name": "m", "mountPath": "/m"}]


def memory(**fields: object) -> list[dict[str, object]]:
    return [{"name": "m", "emptyDir": {"medium": "Memory", **fields}}]


@pytest.mark.vm
def test_memory_is_shared_limited_and_outlives_containers_and_kubelets(own_node: Instance) -> None:
    node = own_node
    crash = "echo run >> /m/runs; " + manifests.OBEDIENT + "while [ ! -e /m/go ]; do sleep 0.1; done; rm /m/go; exit 3"
    part = [*MOUNT, {"name": "m", "mountPath": "/part", "subPath": "sub/part"}]
    node.apply(
        manifests.pod(
            "memory",
            manifests.busybox("one", crash, volumeMounts=MOUNT),
            manifests.busybox("two", volumeMounts=part),
            volumes=memory(sizeLimit="1Mi"),
        ),
        wait=True,
    )
    pod = node.wait_for("memory", lambda pod: pods.is_running(pod, "one"), "both to run")

    def inside(script: str) -> str:
        return node.exec("memory", "sh", "-c", script, container="two", check=False).stdout.strip()

    assert inside("grep ' /m ' /proc/mounts").startswith("tmpfs /m tmpfs rw,relatime,size=1024k")
    assert inside("ls -ld /m | cut -c1-10") == "drwxrwxrwx"
    assert inside("echo x > /part/note; cat /m/sub/part/note") == "x"
    assert 900_000 < int(inside("head -c 2000000 /dev/zero > /m/big; wc -c < /m/big")) <= 1 << 20
    assert inside("rm /m/big; cat /m/runs") == "run"

    held = node.paths.pod_run_dir(pods.uid(pod)) / "held" / "m"
    assert str(held) not in Path("/proc/self/mountinfo").read_text(), "the machine sees no mount"
    assert not list(held.iterdir())
    node.restart_kubelet()
    node.exec("memory", "touch", "/m/go", container="two")
    pod = node.wait_for("memory", lambda pod: pods.restarts(pod, "one") == 1, "the container to run again", 60)
    wait.wait_until(lambda: inside("cat /m/runs").split() == ["run", "run"], "the second run to write", 20)
    node.run("delete", "pod", "memory")


def test_huge_pages_that_nobody_asks_for_or_has_are_refused(node: Instance) -> None:
    volumes = [{"name": "m", "emptyDir": {"medium": "HugePages-2Mi"}}]
    node.apply(manifests.pod("huge", manifests.busybox(volumeMounts=MOUNT), volumes=volumes))
    text = 'FailedMount MountVolume.SetUp failed for volume "m" : hugePages storage requested, but there is no resource'
    wait.wait_until(lambda: any(each.startswith(text) for each in node.events("huge")), "the event", 20)
    assert pods.waiting(node.pod("huge"))["reason"] == "ContainerCreating"
    node.run("delete", "pod", "huge", "--now")
