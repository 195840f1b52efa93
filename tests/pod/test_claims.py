"""PersistentVolumeClaims: bound at once, kept after the pod, protected while in use, removed with the claim."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import NAMESPACE, Instance, Refusal

CLAIMS = f"{NAMESPACE}/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


def claim(name: str, **spec: Any) -> dict[str, Any]:
    plain = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": plain | spec,
    }


def user(name: str, claim_name: str, script: str = manifests.SLEEP, **spec: Any) -> dict[str, Any]:
    main = manifests.busybox(script=script, volumeMounts=[{"name": "d", "mountPath": "/data"}])
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": claim_name}}]
    return manifests.pod(name, main, volumes=volumes, terminationGracePeriodSeconds=1, **spec)


def is_there(node: Instance, path: str) -> bool:
    try:
        return bool(node.request("GET", path))
    except Refusal:
        return False


def directories(node: Instance) -> list[Path]:
    base = node.paths.persistent
    return list(base.iterdir()) if base.exists() else []


@pytest.mark.vm
def test_data_outlives_the_pod_and_goes_with_the_claim(node: Instance) -> None:
    write = "echo kept > /data/file; mkdir -p /data/deep/er; " + manifests.SLEEP
    node.apply(claim("data"), user("first", "data", write), wait=True)
    rows = node.run("get", "pvc").stdout.splitlines()
    assert rows[0].split() == ["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS", "MODES", "STORAGECLASS",
                               "VOLUMEATTRIBUTESCLASS", "AGE"]  # fmt: skip
    found = node.request("GET", f"{CLAIMS}/data")
    name = f"pvc-{found['metadata']['uid']}"
    assert rows[1].split()[:6] == ["data", "Bound", name, "1Gi", "RWO", "standard"]
    described = node.run("describe", "pvc", "data").stdout
    assert "Used By:       first\n" in described
    assert f"Successfully provisioned volume {name}" in described
    # In use: it stays until the pod is gone.
    node.run("delete", "pvc", "data", "--no-wait")
    assert "Terminating" in node.run("get", "pvc", "data").stdout
    assert node.exec("first", "cat", "/data/file").stdout == "kept\n"
    node.discard("first")
    wait.wait_until(lambda: not is_there(node, f"{CLAIMS}/data"), "the claim to go", 20)
    wait.wait_until(lambda: not is_there(node, f"{VOLUMES}/{name}"), "its volume to go", 20)
    wait.wait_until(lambda: directories(node) == [], "its directory to go", 20)
    # Not in use: it keeps its data for the next pod, over a new kubelet, and no other user of the machine gets there.
    node.apply(claim("data"), user("second", "data", write), wait=True)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (node.paths.persistent, node.paths.root)] == [0o700, 0o700]
    node.run("delete", "pod", "second")
    node.restart_kubelet()
    node.apply(user("third", "data", "cat /data/file", restartPolicy="Never"))
    node.wait_for("third", pods.has_ended, "to have read it")
    assert node.logs("third") == ["kept"]
    node.run("delete", "pvc", "data")  # a pod that has ended holds nothing
    wait.wait_until(lambda: directories(node) == [], "the directory to go", 20)


def test_a_claim_that_is_retained_leaves_its_volume(node: Instance) -> None:
    node.apply(claim("kept", storageClassName="standard-retain"))
    wait.wait_until(lambda: "Bound" in node.run("get", "pvc", "kept").stdout, "it to be bound", 20)
    name = node.request("GET", f"{CLAIMS}/kept")["spec"]["volumeName"]
    node.run("delete", "pvc", "kept")
    wait.wait_until(lambda: "Released" in node.run("get", "pv", name).stdout, "it to be released", 20)
    assert [path.name for path in directories(node)] == [name]
    node.run("delete", "pv", name)
    wait.wait_until(lambda: directories(node) == [], "its directory to go", 20)


def test_a_volume_that_was_set_aside_is_bound_and_left_alone(node: Instance, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine\n")
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "shelf"},
        "spec": {
            "storageClassName": "manual",
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(tmp_path)},
        },
    }
    node.apply(volume, claim("task", storageClassName="manual"), user("reader", "task"), wait=True)
    assert node.exec("reader", "cat", "/data/mine").stdout == "mine\n"
    assert node.run("get", "pv").stdout.splitlines()[1].split()[:7] == [
        "shelf", "10Gi", "RWO", "Retain", "Bound", "default/task", "manual"]  # fmt: skip
    node.run("delete", "pod", "reader")
    node.run("delete", "pvc", "task")
    node.run("delete", "pv", "shelf")
    assert (tmp_path / "mine").read_text() == "mine\n"


def test_a_pod_waits_for_its_claim(node: Instance) -> None:
    node.apply(user("early", "later"))
    pod = node.wait_for("early", lambda pod: pod["status"].get("conditions"), "to be told")
    assert pod["status"]["conditions"][0]["message"].startswith(
        '0/1 nodes are available: persistentvolumeclaim "later" not found. preemption: '
    )
    node.apply(claim("later", accessModes=["ReadWriteOncePod"]))
    node.wait_for("early", pods.is_ready, "to be ready")
    node.apply(user("alone", "later"))
    pod = node.wait_for("alone", lambda pod: pod["status"].get("conditions"), "to be told")
    assert "ReadWriteOncePod access mode" in pod["status"]["conditions"][0]["message"]
    node.discard("early")
    node.wait_for("alone", pods.is_ready, "to be ready")


def test_an_ephemeral_volume_comes_and_goes_with_its_pod(node: Instance) -> None:
    pod = user("brief", "", "touch /data/file; " + manifests.SLEEP)
    template = {"metadata": {"labels": {"made": "for-brief"}}, "spec": claim("any")["spec"]}
    pod["spec"]["volumes"] = [{"name": "d", "ephemeral": {"volumeClaimTemplate": template}}]
    # Somebody else's claim has the name.
    node.apply(claim("brief-d"), pod)
    stranger = "PVC default/brief-d was not created for pod default/brief (pod is not owner)"
    told = node.wait_for("brief", lambda pod: pod["status"].get("conditions"), "to be told")
    assert stranger in told["status"]["conditions"][0]["message"]
    described = f"ephemeral volume d: {stranger}"
    wait.wait_until(lambda: described in node.run("describe", "pod", "brief").stdout, "the event", 20)
    # That one goes, and the pod has its own.
    node.run("delete", "pvc", "brief-d")
    node.wait_for("brief", pods.is_ready, "to be ready")
    found = node.request("GET", f"{CLAIMS}/brief-d")["metadata"]
    directory = node.paths.persistent / f"pvc-{found['uid']}"
    wait.wait_until((directory / "file").exists, "the container to write into it", 20)
    assert found["labels"] == {"made": "for-brief"}
    assert found["ownerReferences"][0]["uid"] == node.pod("brief")["metadata"]["uid"]
    assert "Used By:       brief\n" in node.run("describe", "pvc", "brief-d").stdout
    node.discard("brief")
    wait.wait_until(lambda: not is_there(node, f"{CLAIMS}/brief-d"), "its claim to go", 20)
    wait.wait_until(lambda: not directory.exists(), "the directory to go", 20)
