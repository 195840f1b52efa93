"""ConfigMaps, Secrets and a pod's own fields as files: there at the start, changed while containers run, on no disk."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import NAMESPACE, Instance

Json = dict[str, Any]


def config(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def mounts(*names: str) -> list[Json]:
    return [{"name": name, "mountPath": f"/{name}"} for name in names]


@pytest.mark.vm
def test_objects_are_files_that_follow_them_while_the_pod_runs(own_node: Instance) -> None:
    node = own_node
    node.apply(config("app", mode="first", extra="x"), secret("key", password="hunter2"))
    sources = [
        {"configMap": {"name": "app", "items": [{"key": "mode", "path": "etc/mode"}]}},
        {"secret": {"name": "key"}},
        {"secret": {"name": "none", "optional": True}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    volumes = [
        {"name": "app", "configMap": {"name": "app", "defaultMode": 0o640}},
        {"name": "key", "secret": {"secretName": "key", "items": [{"key": "password", "path": "p", "mode": 0o400}]}},
        {"name": "all", "projected": {"sources": sources}},
    ]
    part = {"name": "app", "mountPath": "/part", "subPath": "mode"}
    container = manifests.busybox(volumeMounts=[*mounts("app", "key", "all"), part])
    node.apply(manifests.pod("files", container, volumes=volumes, labels={"a": "1"}), wait=True)

    def inside(script: str) -> str:
        return node.exec("files", "sh", "-c", script).stdout.strip()

    parts = "for f in /app/mode /part /key/p /all/etc/mode /all/password /all/labels; do cat $f; echo; done"
    assert inside(parts).split() == ["first", "first", "hunter2", "first", "hunter2", 'a="1"']
    assert inside("stat -Lc '%a %u' /app/mode /key/p /all/password").split("\n") == ["640 0", "400 0", "644 0"]
    assert inside("touch /key/x 2>&1; true") == "touch: /key/x: Read-only file system"
    assert inside("ls -a /app").split() == [".", "..", inside("readlink /app/..data"), "..data", "extra", "mode"]

    node.apply(config("app", mode="second", new="y"), secret("key", password="changed"))
    wait.wait_until(
        lambda: inside("cat /app/mode /all/etc/mode /all/password") == "secondsecondchanged", "the change", 20
    )
    assert inside("ls /app").split() == ["mode", "new"]
    assert inside("cat /part") == "first", "a subPath does not follow"
    node.request(
        "PATCH", f"{NAMESPACE}/pods/files", b'{"metadata": {"labels": {"a": "2"}}}', "application/merge-patch+json"
    )
    wait.wait_until(lambda: inside("cat /all/labels") == 'a="2"', "the label to be followed", 20)

    node.restart_kubelet()
    node.apply(config("app", mode="third"))
    wait.wait_until(lambda: inside("cat /app/mode") == "third", "the next kubelet to follow, too", 20)


def test_secrets_are_in_memory_alone(own_node: Instance) -> None:
    node, needle = own_node, "needle-in-no-haystack"
    node.apply(secret("key", password=needle))
    container = manifests.busybox(volumeMounts=mounts("key"))
    volumes = [{"name": "key", "secret": {"secretName": "key"}}]
    node.apply(manifests.pod("hidden", container, volumes=volumes), wait=True)
    assert node.exec("hidden", "cat", "/key/password").stdout == needle
    assert node.exec("hidden", "grep", " /key ", "/proc/mounts").stdout.startswith("tmpfs /key tmpfs ro,")
    for directory in (node.paths.root / "pods", node.paths.run_dir):
        found = subprocess.run(["grep", "-rl", "--devices=skip", needle, directory], capture_output=True, text=True)
        assert found.stdout == ""
    assert "WRITTEN" not in Path("/proc/self/mountinfo").read_text()


def test_a_pod_waits_for_what_is_missing_and_goes_on_as_soon_as_it_is_there(node: Instance) -> None:
    volumes = [
        {"name": "app", "configMap": {"name": "late", "items": [{"key": "k", "path": "k"}]}},
        {"name": "key", "secret": {"secretName": "late"}},
    ]
    container = manifests.busybox(volumeMounts=mounts("app", "key"))
    node.apply(manifests.pod("waits", container, volumes=volumes))

    def told(text: str) -> None:
        wait.wait_until(
            lambda: f"FailedMount MountVolume.SetUp failed for volume {text}" in node.events("waits"), text, 30
        )

    told('"app" : configmap "late" not found')
    assert pods.waiting(node.pod("waits")) == {"reason": "ContainerCreating"}
    node.apply(config("late", other="x"))
    told('"app" : configmap references non-existent config key: k')
    node.apply(config("late", k="x"))
    told('"key" : secret "late" not found')
    node.apply(secret("late", a="b"))
    node.wait_for("waits", pods.is_ready, "the pod to run", 30)
    node.run("delete", "pod", "waits", "--now")


def test_files_come_again_with_a_new_sandbox_and_wait_if_their_object_has_gone(own_node: Instance) -> None:
    node = own_node
    node.apply(config("app", mode="first"))
    volumes = [{"name": "app", "configMap": {"name": "app"}}]
    container = manifests.busybox(volumeMounts=mounts("app"))
    node.apply(manifests.pod("again", container, volumes=volumes), wait=True)
    pod = node.pod("again")
    node.request("DELETE", f"{NAMESPACE}/configmaps/app")
    text = 'FailedMount MountVolume.SetUp failed for volume "app" : configmap "app" not found'
    wait.wait_until(lambda: text in node.events("again"), "the object to be missed", 20)
    assert node.exec("again", "cat", "/app/mode").stdout == "first", "what is there stays"
    before = node.pause_pid(pod)
    subprocess.run(["kill", "-9", str(before)], check=True)
    node.wait_for("again", lambda pod: not pods.is_running(pod), "the sandbox to go", 30)
    node.apply(config("app", mode="second"))
    node.wait_for("again", lambda pod: pods.is_ready(pod) and pods.restarts(pod) == 1, "another sandbox", 60)
    assert node.exec("again", "cat", "/app/mode").stdout == "second"


def test_a_token_belongs_to_the_pods_user_and_waits_for_its_account(node: Instance) -> None:
    token = {"path": "token", "audience": "me", "expirationSeconds": 600}
    volumes = [{"name": "t", "projected": {"sources": [{"serviceAccountToken": token}]}}]
    container = manifests.busybox(
        script="stat -Lc '%u %a' /t/token; cut -d. -f2 /t/token", volumeMounts=mounts("t"), imagePullPolicy="Never"
    )
    fields = {"volumes": volumes, "restartPolicy": "Never", "securityContext": {"runAsUser": 1234}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    asked = manifests.pod("token", container, serviceAccountName="robot", schedulingGates=[{"name": "wait"}], **fields)
    refused = node.run("apply", "-f", "-", stdin=json.dumps(asked), check=False)
    missing = 'error looking up service account default/robot: serviceaccount "robot" not found'
    assert f'pods "token" is forbidden: {missing}' in refused.stderr
    assert refused.returncode == 1
    node.apply(account, asked)
    node.request("DELETE", f"{NAMESPACE}/serviceaccounts/robot")
    assert "pod/token unchanged" in node.apply(asked).stdout, "what is there stays"
    gates = json.dumps({"spec": {"schedulingGates": []}}).encode()
    node.request("PATCH", f"{NAMESPACE}/pods/token", gates, "application/merge-patch+json")
    text = (
        'FailedMount MountVolume.SetUp failed for volume "t" : failed to fetch token: serviceaccounts "robot" not found'
    )
    wait.wait_until(lambda: text in node.events("token"), "the account to be missed", 20)
    node.apply(account)
    pod = node.wait_for("token", pods.has_ended, "the end")
    owner, claims = node.log_lines(pod)
    assert owner == "1234 600"
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (said["sub"], said["aud"]) == ("system:serviceaccount:default:robot", ["me"])
    assert said["kubernetes.io"]["pod"]["uid"] == pods.uid(pod)


def test_binary_data_arrives_as_it_is(node: Instance) -> None:
    content = bytes(range(256))
    manifest = config("bytes") | {"binaryData": {"all": base64.b64encode(content).decode()}}
    node.apply(json.dumps(manifest))
    container = manifests.busybox(script="base64 /app/all | tr -d '\\n'", volumeMounts=mounts("app"))
    node.apply(
        manifests.pod(
            "bytes", container, volumes=[{"name": "app", "configMap": {"name": "bytes"}}], restartPolicy="Never"
        )
    )
    pod = node.wait_for("bytes", pods.has_ended, "the end")
    assert node.log_lines(pod) == [base64.b64encode(content).decode()]
