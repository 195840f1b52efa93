"""Pods with hostUsers: false: root inside is nobody on the machine, and everything else is as in any pod."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

Json = dict[str, Any]
RANGE = 65536


def first_id(node: Instance, name: str) -> int:
    """What root of the pod is on the machine."""
    fields = node.exec(name, "cat", "/proc/self/uid_map").stdout.split()
    assert fields[0::2] == ["0", str(RANGE)], fields
    return int(fields[1])


def confined(name: str, *containers: Json, **spec: Any) -> Json:
    return manifests.pod(name, *containers, **{"hostUsers": False, "terminationGracePeriodSeconds": 0} | spec)


@pytest.fixture(scope="module")
def pod(node: Instance) -> Iterator[str]:
    probe = {"exec": {"command": ["sh", "-c", "id > /disk/probed"]}, "periodSeconds": 1}
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("disk", "memory", "files")]
    node.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"word": "hello"}},
        confined(
            "confined",
            manifests.busybox(readinessProbe=probe, volumeMounts=mounts),
            manifests.busybox("user", securityContext={"runAsUser": 1000, "runAsGroup": 2000}, volumeMounts=mounts),
            volumes=[
                {"name": "disk", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
                {"name": "files", "configMap": {"name": "words", "defaultMode": 0o400}},
            ],
            securityContext={"fsGroup": 4000},
        ),
        wait=True,
    )
    yield "confined"
    node.run("delete", "pod", "confined")


@pytest.mark.vm
def test_root_of_a_pod_is_somebody_else_on_the_machine(node: Instance, pod: str) -> None:
    first = first_id(node, pod)
    assert first >= RANGE
    script = "id; touch /made /memory/made; chown 7:8 /made; stat -c '%u %g' / /bin/sh /made /disk /memory/made"
    said = node.exec(pod, "sh", "-c", script).stdout.splitlines()
    assert said[0] == "uid=0(root) gid=0(root) groups=0(root),4000"
    assert said[1:] == ["0 0", "0 0", "7 8", "0 4000", "0 4000"]
    directory = node.paths.pod_dir(pods.uid(node.pod(pod)))
    made = (directory / "containers" / "main" / "0" / "upper" / "made").stat()
    probed = (directory / "volumes" / "empty-dir" / "disk" / "probed").stat()
    assert (made.st_uid, made.st_gid, probed.st_uid) == (first + 7, first + 8, first)


@pytest.mark.vm
def test_its_other_users_read_their_volumes_and_status_says_who_they_are(node: Instance, pod: str) -> None:
    script = "id; cat /files/word; touch /disk/theirs; stat -c '%u %g %a' /disk/theirs /files/..data/word"
    said = node.exec(pod, "sh", "-c", script, container="user").stdout.splitlines()
    assert said == ["uid=1000 gid=2000 groups=2000,4000", "hello1000 4000 644", "0 4000 440"]
    shown = pods.container(node.pod(pod), "user")["user"]["linux"]
    assert shown == {"uid": 1000, "gid": 2000, "supplementalGroups": [2000, 4000]}


def test_two_pods_share_no_ids_and_a_new_kubelet_knows_whose_they_are(own_node: Instance) -> None:
    for name in ("one", "two"):
        own_node.submit(confined(name))
    for name in ("one", "two"):
        own_node.wait_for(name, pods.is_ready, "to be ready")
    before = [first_id(own_node, name) for name in ("one", "two")]
    assert len(set(before)) == 2
    own_node.kill_kubelet()
    own_node.start_kubelet()
    own_node.apply(confined("three"), wait=True)
    assert [first_id(own_node, name) for name in ("one", "two")] == before
    assert first_id(own_node, "three") not in before
    own_node.run("delete", "pod", "one")
    own_node.apply(confined("four"), wait=True)
    assert first_id(own_node, "four") == before[0]


def test_a_privileged_container_has_all_rights_over_its_own_pod_and_none_outside(
    node: Instance, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "secret").chmod(0o600)
    os.chown(tmp_path / "secret", 1234, 1234)
    privileged = manifests.busybox(
        securityContext={"privileged": True, "procMount": "Unmasked"},
        volumeMounts=[
            {"name": "host", "mountPath": "/host", "readOnly": True},
            {"name": "image", "mountPath": "/image"},
        ],
    )
    volumes = [
        {"name": "host", "hostPath": {"path": str(tmp_path)}},
        {"name": "image", "image": {"reference": "busybox:1"}},
    ]
    node.apply(confined("mighty", privileged, volumes=volumes, shareProcessNamespace=True), wait=True)

    def works(script: str) -> bool:
        return node.exec("mighty", "sh", "-c", script, check=False).returncode == 0

    assert works("mount -t tmpfs none /tmp && umount /tmp")
    assert works("hostname mine && echo 5 > /proc/sys/net/ipv4/tcp_fin_timeout")
    assert works("test $(stat -c %u /host/secret) = 1234 && test $(stat -c %u /image/bin/sh) = 0")
    for attack in (
        "echo x > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/kernel/panic",
        "mount -o remount,bind,rw /host",
        "umount /host",
        "mknod /disk b 254 0",
        "nsenter -t 1 -n true",
        "cat /proc/1/environ",
        "mount -t cgroup2 none /tmp",
        "echo -500 > /proc/self/oom_score_adj",
        "for each in /sys/fs/cgroup /sys/fs/cgroup/*; do echo 1 2>/dev/null > $each/cgroup.procs && exit; done; false",
        "kill -9 1; test ! -e /proc/1/comm",
    ):
        assert not works(attack), attack
    node.run("delete", "pod", "mighty")


def test_what_cannot_be_is_said(node: Instance) -> None:
    shared = node.run("apply", "-f", "-", stdin=json.dumps(confined("shared", hostNetwork=True)), check=False)
    assert "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false" in shared.stderr
    both = {"name": "host", "mountPath": "/host", "mountPropagation": "Bidirectional"}
    node.submit(
        confined(
            "impossible",
            manifests.busybox("large", securityContext={"runAsUser": RANGE}),
            manifests.busybox("mapped", volumeMounts=[{"name": "sys", "mountPath": "/host"}]),
            manifests.busybox("both", securityContext={"privileged": True}, volumeMounts=[both]),
            volumes=[
                {"name": "sys", "hostPath": {"path": "/sys/kernel"}},
                {"name": "host", "hostPath": {"path": str(node.directory)}},
            ],
        )
    )

    def message(pod: Json, name: str) -> str:
        return str(
            (pods.last_terminated(pod, name) or pods.terminated(pod, name) or pods.waiting(pod, name)).get("message")
        )

    for name, words in (
        ("large", "user and group numbers go up to 65535, not 65536"),
        ("mapped", "the file system of /sys/kernel has no idmapped mounts, which a pod with hostUsers: false needs"),
        ("both", "what a pod with hostUsers: false mounts is never seen by the machine"),
    ):

        def is_said(pod: Json, name: str = name, words: str = words) -> bool:
            return words in message(pod, name)

        node.wait_for("impossible", is_said, words)
    node.run("delete", "pod", "impossible")
