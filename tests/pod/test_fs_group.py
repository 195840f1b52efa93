"""fsGroup: a pod's user may write to its volumes and read what podrun writes, whoever made the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

Json = dict[str, Any]
GID = 4711


def claim(name: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


@pytest.mark.vm
def test_all_volumes_but_host_paths_belong_to_the_group(node: Instance, tmp_path: Path) -> None:
    (tmp_path / "mine").touch(mode=0o600)
    names = ("disk", "memory", "claim", "config", "secret", "host")
    script = (
        "id -G | tr ' ' '\\n' | grep -x 4711; "
        "for v in disk memory claim config secret host; do stat -c '%n %g %a' /$v; done; "
        "stat -Lc '%n %g %a' /config/k /secret/k; cat /config/k /secret/k; "
        "for v in disk memory claim; do touch /$v/new && stat -c '%g' /$v/new; done; echo end"
    )
    node.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "config-"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "secret\n"}},
        claim("kept"),
        manifests.pod(
            "group",
            manifests.busybox(script=script, volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in names]),
            restartPolicy="Never",
            securityContext={"runAsUser": 1234, "runAsGroup": 1234, "fsGroup": GID},
            volumes=[
                {"name": "disk", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "kept"}},
                {"name": "config", "configMap": {"name": "c", "defaultMode": 0o400}},
                {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}},
                {"name": "host", "hostPath": {"path": str(tmp_path)}},
            ],
        ),
    )
    pod = node.wait_for("group", pods.has_ended, "the end")
    assert node.log_lines(pod) == [
        str(GID),
        *(f"/{name} {GID} 2777" for name in names[:-1]),
        "/host 0 700",
        f"/config/k {GID} 440",
        f"/secret/k {GID} 440",
        "config-secret",
        *[str(GID)] * 3,
        "end",
    ]
    assert (tmp_path / "mine").stat().st_gid == 0


def test_what_an_earlier_pod_left_is_given_to_the_next_ones_group(node: Instance) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "handed-on"}}]
    mount = [{"name": "v", "mountPath": "/v"}]

    def run(name: str, script: str, **context: object) -> list[str]:
        container = manifests.busybox(script=script, volumeMounts=mount)
        node.apply(manifests.pod(name, container, volumes=volumes, restartPolicy="Never", securityContext=context))
        return node.log_lines(node.wait_for(name, pods.has_ended, "the end"))

    node.apply(claim("handed-on"))
    hostile = "mkdir -p /v/a/b; echo x > /v/a/b/f; chmod 600 /v/a/b/f; chmod 700 /v/a; "
    hostile += "ln -s /etc/hostname /v/out; ln -s / /v/root"
    run("maker", hostile)
    look = "stat -c %g:%a /v/a /v/a/b/f /etc/hostname /; cat /v/a/b/f"
    assert run("first", look, runAsUser=7, fsGroup=GID) == [f"{GID}:2770", f"{GID}:660", "0:644", "0:755", "x"]
    mismatch = {"runAsUser": 7, "fsGroupChangePolicy": "OnRootMismatch"}
    run("spoiler", "chgrp 0 /v/a/b/f; chmod 600 /v/a/b/f")
    assert run("second", "stat -c %g:%a /v/a/b/f", fsGroup=GID, **mismatch) == ["0:600"]
    assert run("third", "stat -c %g:%a /v/a/b/f", fsGroup=GID + 1, **mismatch) == [f"{GID + 1}:660"]
