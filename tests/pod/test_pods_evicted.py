"""Pods that take more of the disk than they may, and a node that runs short of memory or disk."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from podrun.kubelet import evictor
from tests import wait
from tests.pod import manifests, pods
from tests.pod.api import Json
from tests.pod.conftest import MakeInstance
from tests.pod.instance import NAMESPACE, Instance

WRITING = "head -c 3000000 /dev/zero > {}; " + manifests.SLEEP
OFTEN = {"eviction_monitoring_period": "0.2s", "eviction_pressure_transition_period": "1s"}


def evicted(pod: Json) -> bool:
    return bool(pod["status"]["phase"] == "Failed" and pod["status"].get("reason") == "Evicted")


def disruption(pod: Json) -> str:
    return next((each["reason"] for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget"), "")


def conditions(node: Instance) -> dict[str, str]:
    (found,) = node.request("GET", "/api/v1/nodes")["items"]
    return {each["type"]: each["status"] for each in found["status"]["conditions"]}


@pytest.mark.vm
def test_pods_over_their_limits_of_storage_are_evicted_and_others_stay(make_instance: MakeInstance) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    limited = {"limits": {"ephemeral-storage": "1Mi"}}
    with make_instance(**OFTEN) as node:
        node.apply(
            manifests.pod("bystander", manifests.busybox(script=WRITING.format("/fill"))),
            manifests.pod(
                "volume",
                manifests.busybox(script=WRITING.format("/v/fill"), volumeMounts=mount),
                volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
            ),
            manifests.pod("layer", manifests.busybox(script=WRITING.format("/fill"), resources=limited)),
        )
        told = {
            "volume": 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
            "layer": "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        }
        for name, message in told.items():
            # What took long to measure is measured the more seldom.
            pod = node.wait_for(name, evicted, "to be evicted", 60)
            assert pod["status"]["message"] == message
            assert disruption(pod) == "TerminationByKubelet"
            assert f"Evicted {message}" in node.events(name)
            node.wait_for(name, lambda each: each["status"]["containerStatuses"][0]["state"].get("terminated"), "end")
        node.wait_for("bystander", pods.is_running, "to run on")


def test_a_node_short_of_memory_evicts_says_so_and_takes_nobody_new(make_instance: MakeInstance) -> None:
    available = evictor.node_readings(Path("/"))["memory.available"].capacity
    with make_instance(**OFTEN) as node:
        node.apply(manifests.pod("first", manifests.busybox()), wait=True)
        node.stop_kubelet()
        node.environment["PODRUN_EVICTION_HARD"] = f"memory.available<{available}"
        node.start_kubelet()
        pod = node.wait_for("first", evicted, "to be evicted")
        assert pod["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
        assert "Container main was using " in pod["status"]["message"]
        assert conditions(node)["MemoryPressure"] == "True"
        node.apply(manifests.pod("second"))
        waiting = node.wait_for("second", lambda each: each["status"].get("conditions"), "to be looked at")
        taint = "1 node(s) had untolerated taint {node.kubernetes.io/memory-pressure: }"
        assert taint in waiting["status"]["conditions"][0]["message"]
        bound = manifests.pod("third", nodeName=node.request("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"])
        node.apply(bound)
        refused = node.wait_for("third", evicted, "to be refused")
        assert refused["status"]["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
        node.stop_kubelet()
        node.environment["PODRUN_EVICTION_HARD"] = "none"
        node.start_kubelet()
        node.wait_for("second", lambda each: each["status"]["phase"] == "Running", "to run when the pressure is gone")
        assert conditions(node)["MemoryPressure"] == "False"


def test_a_node_short_of_disk_frees_images_then_evicts_who_takes_most(
    make_instance: MakeInstance, own_disk: Path
) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    empty = [{"name": "v", "emptyDir": {}}]
    greedy = manifests.busybox(script="head -c 20000000 /dev/zero > /v/fill; " + manifests.SLEEP, volumeMounts=mount)
    thresholds = {"eviction_hard": "nodefs.available<30%,nodefs.inodesFree<30%"}
    with make_instance(root=own_disk / "root", log_dir=own_disk / "log", **OFTEN, **thresholds) as node:

        def is_pressed() -> bool:
            (found,) = node.request("GET", "/api/v1/nodes")["items"]
            taints = [each["key"] for each in found["spec"].get("taints", [])]
            assert taints in ([], ["node.kubernetes.io/disk-pressure"])
            return conditions(node)["DiskPressure"] == "True" and bool(taints)

        node.apply(
            manifests.pod("modest", manifests.busybox(script=WRITING.format("/fill"))),
            manifests.pod("greedy", greedy, volumes=empty),
            manifests.pod("critical", manifests.busybox(), priorityClassName="system-node-critical"),
            wait=True,
        )
        volume = own_disk / "root" / "pods" / node.pod("greedy")["metadata"]["uid"] / "volumes" / "empty-dir" / "v"
        wait.wait_until(lambda: (volume / "fill").stat().st_size == 20_000_000, "the volume to be filled")
        assert not is_pressed()
        assert "witness" in node.run("image", "ls").stdout
        free = os.statvfs(own_disk)
        with (own_disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_frsize - (4 << 20))
        evictions = []
        for name in ("greedy", "modest"):
            pod = node.wait_for(name, evicted, "to be evicted")
            assert pod["status"]["message"].startswith("The node was low on resource: ephemeral-storage. Threshold ")
            (event,) = node.request(
                "GET", f"{NAMESPACE}/events?fieldSelector=reason=Evicted,involvedObject.name={name}"
            )["items"]
            evictions.append(int(event["metadata"]["resourceVersion"]))
        assert evictions == sorted(evictions)
        assert "Container main was using 2932Ki, request is 0, has larger" in pod["status"]["message"]
        assert "witness" not in node.run("image", "ls").stdout
        assert node.pod("critical")["status"]["phase"] == "Running"
        wait.wait_until(lambda: not volume.exists(), "the evicted pod's volume to be free again")
        wait.wait_until(is_pressed, "the node to say so")
        node.apply(manifests.pod("late"))
        waiting = node.wait_for("late", lambda each: each["status"].get("conditions"), "to be looked at")
        taint = "1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }"
        assert taint in waiting["status"]["conditions"][0]["message"]
        (own_disk / "filler").unlink()
        node.wait_for("late", lambda each: each["status"]["phase"] == "Running", "to run when the pressure is gone")
        assert not is_pressed()
        # No files are left.
        (own_disk / "files").mkdir()
        for number in range(15000):
            (own_disk / "files" / str(number)).touch()
        pod = node.wait_for("late", evicted, "to be evicted")
        low = r"The node was low on resource: inodes\. Threshold quantity: 6000, available: \d+\. "
        assert re.fullmatch(low, pod["status"]["message"])
        shutil.rmtree(own_disk / "files")
        wait.wait_until(lambda: not is_pressed(), "the pressure to be gone")


def test_a_noexecute_taint_drives_out_who_does_not_tolerate_it(node: Instance) -> None:
    (found,) = node.request("GET", "/api/v1/nodes")["items"]
    name = found["metadata"]["name"]
    for_ever = [{"key": "broken", "operator": "Exists"}]
    a_while = [{"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}]
    node.apply(
        manifests.pod("stays", manifests.busybox(), tolerations=for_ever),
        manifests.pod("lingers", manifests.busybox(), tolerations=a_while),
        manifests.pod("goes", manifests.busybox()),
        wait=True,
    )

    def taint(*taints: Json) -> None:
        body = json.dumps({"spec": {"taints": taints}}).encode()
        node.request("PATCH", f"/api/v1/nodes/{name}", body, "application/merge-patch+json")

    taint({"key": "broken", "effect": "NoExecute"})
    node.wait_gone("goes")
    assert "TaintManagerEviction Marking for deletion Pod default/goes" in node.events("goes")
    node.wait_gone("lingers")
    assert node.pod("stays")["status"]["phase"] == "Running"
    taint()
    node.discard("stays", grace=0)


def test_critical_pods_are_known_by_their_classes_and_no_other_class_is(node: Instance) -> None:
    node.apply(manifests.pod("critical", manifests.busybox(), priorityClassName="system-node-critical"), wait=True)
    assert node.pod("critical")["spec"]["priority"] == 2_000_001_000
    unknown = manifests.pod("unknown", priorityClassName="high")
    refused = node.run("apply", "-f", "-", stdin=json.dumps(unknown), check=False)
    assert refused.returncode == 1
    assert 'pods "unknown" is forbidden: no PriorityClass with name high was found' in refused.stderr
    node.discard("critical", grace=0)


def test_unused_images_go_when_the_disk_is_fuller_than_allowed(make_instance: MakeInstance) -> None:
    full = {"image_gc_high_threshold": "0", "image_gc_low_threshold": "0", "minimum_image_ttl_duration": "1s"}
    with make_instance() as node:
        node.apply(manifests.pod("user", manifests.busybox()), wait=True)
        node.stop_kubelet()
        node.environment |= {f"PODRUN_{name.upper()}": value for name, value in full.items()}
        node.start_kubelet()

        def names() -> list[str]:
            return node.run("image", "ls").stdout.split()

        wait.wait_until(lambda: not any("witness" in each for each in names()), "the unused image to go")
        assert any("busybox" in each for each in names())
        assert node.pod("user")["status"]["phase"] == "Running"
