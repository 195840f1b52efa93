"""A container's variables from ConfigMaps, Secrets, the pod itself and files; what waits for them, and goes on."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import NAMESPACE, Instance


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def lines_of(node: Instance, name: str, container: str = "main") -> dict[str, str]:
    """The variables that a command in the container has."""
    found = node.exec(name, "env", container=container).stdout.splitlines()
    return dict(line.partition("=")[::2] for line in found)


@pytest.mark.vm
def test_variables_come_from_config_maps_secrets_and_the_pod_itself(node: Instance) -> None:
    fields = {"NAME": "metadata.name", "IP": "status.podIP", "APP": "metadata.labels['app']", "HOST": "status.hostIP"}
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    env += [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "x", "optional": True}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "ALL", "value": "$(A)/$(KEY)/$(P_a)/$$(A)/$(NONE)"},
    ]
    main = manifests.busybox(
        command=["sh", "-c", "echo 'ran with $(ALL)' $1; " + manifests.SLEEP, "sh"],
        args=["$(A)"],
        env=env,
        envFrom=[{"configMapRef": {"name": "plain"}}, {"prefix": "P_", "configMapRef": {"name": "plain"}}],
        resources={"limits": {"cpu": "500m"}},
        readinessProbe={
            "exec": {"command": ["sh", "-c", 'test "$KEY" = "s3cret" && test "$A" = yes']},
            "periodSeconds": 1,
        },
    )
    node.submit(config("plain", A="yes", a="small"), secret("keys", one="s3cret"))
    node.apply(manifests.pod("vars", main, labels={"app": "shop"}), wait=True)
    pod = node.pod("vars")
    said = "ran with yes/s3cret/small/$(A)/$(NONE) yes"
    wait.wait_until(lambda: node.logs("vars")[:1] == [said], "the variables in the log", step=0.1)
    # What runs later has the same variables, whatever became of the objects meanwhile.
    node.submit(config("plain", A="no"))
    node.request("DELETE", f"{NAMESPACE}/secrets/keys")
    node.restart_kubelet()
    found = lines_of(node, "vars")
    assert (found["KEY"], found["A"], found["P_a"], found["CPU"]) == ("s3cret", "yes", "small", "500")
    assert (found["NAME"], found["IP"], found["APP"]) == ("vars", pods.address(pod), "shop")
    assert found["HOST"] == pod["status"]["hostIP"]
    assert "NONE" not in found
    kept = node.paths.pod_run_dir(pods.uid(pod)) / "environment"
    assert [os.stat(each).st_mode & 0o777 for each in (kept, *kept.iterdir())] == [0o700, 0o600]


def test_a_container_waits_for_what_is_missing_and_starts_when_it_comes(node: Instance) -> None:
    main = manifests.busybox(envFrom=[{"configMapRef": {"name": "late"}}])
    side = manifests.busybox("side", env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "slow", "key": "k"}}}])
    node.apply(manifests.pod("waits", main, side))

    def both_wait(pod: dict[str, Any]) -> bool:
        return all(pods.waiting(pod, name).get("reason") == "CreateContainerConfigError" for name in ("main", "side"))

    pod = node.wait_for("waits", both_wait, "to wait for its objects")
    assert pods.waiting(pod)["message"] == 'configmap "late" not found'
    assert pods.waiting(pod, "side")["message"] == 'secret "slow" not found'
    assert pods.phase(pod) == "Pending"
    assert "CreateContainerConfigError" in node.run("get", "pods").stdout
    wait.wait_until(lambda: 'Failed Error: configmap "late" not found' in node.events("waits"), "the event", 10)
    node.submit(secret("slow", other="x"), config("late", A="1"))
    pod = node.wait_for("waits", lambda pod: "couldn't find key" in pods.waiting(pod, "side").get("message", ""), "to")
    assert pods.waiting(pod, "side")["message"] == "couldn't find key k in Secret default/slow"
    node.submit(secret("slow", k="2"))
    node.wait_for("waits", pods.is_ready, "to be ready")
    assert (lines_of(node, "waits")["A"], lines_of(node, "waits", "side")["K"]) == ("1", "2")


def test_a_container_that_starts_again_has_the_newest_values(node: Instance) -> None:
    script = "echo $V; until [ -e /go ]; do sleep 0.05; done; exit 1"
    main = manifests.busybox(script=script, envFrom=[{"configMapRef": {"name": "moving"}}])
    node.submit(config("moving", V="first"))
    node.apply(manifests.pod("again", main))
    node.wait_for("again", pods.is_running, "to run")
    node.submit(config("moving", V="second"))
    node.exec("again", "touch", "/go", check=False)  # its container may end first
    pod = node.wait_for(
        "again", lambda pod: pods.restarts(pod) >= 1 and node.log_lines(pod, attempt=1), "to run again", 40
    )
    assert (node.log_lines(pod, attempt=0), node.log_lines(pod, attempt=1)) == (["first"], ["second"])


def test_variables_are_taken_from_a_file_that_an_init_container_wrote(node: Instance) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    init = manifests.busybox("first", "printf \"A='made up'\\n\" > /v/env", volumeMounts=mounts)
    reference = {"volumeName": "v", "path": "env", "key": "A"}
    main = manifests.busybox(script="echo $A", env=[{"name": "A", "valueFrom": {"fileKeyRef": reference}}])
    volumes = [{"name": "v", "emptyDir": {}}]
    node.apply(manifests.pod("file", main, initContainers=[init], volumes=volumes, restartPolicy="Never"))
    node.wait_for("file", pods.has_ended, "to have said it")
    assert node.logs("file", "main") == ["made up"]
