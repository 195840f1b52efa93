"""Images as volumes of a pod, by the same pull policies as those of containers."""

from __future__ import annotations

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance


@pytest.mark.vm
def test_a_container_reads_the_files_of_another_image(node: Instance) -> None:
    volumes = [{"name": "i", "image": {"reference": manifests.WITNESS, "pullPolicy": "IfNotPresent"}}]
    mounts = [{"name": "i", "mountPath": "/i"}, {"name": "i", "mountPath": "/part", "subPath": "witness"}]
    script = "ls /i; cmp /i/witness /part && echo same; touch /i/x 2>&1; /part 2>&1 | sed 's/.*: //'; exec sleep 1000"
    node.apply(manifests.pod("image", manifests.busybox(script=script, volumeMounts=mounts), volumes=volumes))
    pod = node.wait_for("image", lambda pod: len(node.log_lines(pod)) >= 9, "the script to say all")
    assert node.log_lines(pod) == [
        *("dev", "etc", "proc", "sys", "tmp", "witness", "same"),
        "touch: /i/x: Read-only file system",
        "Permission denied",
    ]
    refused = node.run("image", "rm", manifests.WITNESS, check=False)
    assert refused.returncode != 0
    assert "default/image/i" in refused.stderr
    node.run("delete", "pod", "image", "--now")


def test_an_image_that_is_not_there_holds_its_container_back(node: Instance) -> None:
    volumes = [{"name": "i", "image": {"reference": "none:1", "pullPolicy": "Never"}}]
    waits = manifests.busybox("waits", volumeMounts=[{"name": "i", "mountPath": "/i"}])
    node.apply(manifests.pod("absent", waits, manifests.busybox("runs"), volumes=volumes))
    pod = node.wait_for(
        "absent", lambda pod: pods.is_running(pod, "runs") and pods.waiting(pod, "waits").get("message"), "one"
    )
    assert pods.waiting(pod, "waits")["reason"] == "ErrImageNeverPull"
    node.run("delete", "pod", "absent", "--now")
