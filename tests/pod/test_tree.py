"""`podrun tree`: what is drawn is what the kernel has, whatever state the pod is in and whatever its programs do."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance
from tests.wait import wait_until

Json = dict[str, Any]
KINDS = ("net", "ipc", "uts", "pid", "mnt", "cgroup", "user")
MANY = 150


def anatomy(node: Instance, name: str) -> Json:
    found: Json = json.loads(node.run("tree", name, "-o", "json").stdout)["anatomy"]
    return found


def namespaces(pid: int) -> dict[str, int]:
    return {kind: os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in KINDS}


def drawn(node: Instance, name: str, locale: str = "C.UTF-8") -> str:
    environment = {**node.environment, "LC_ALL": locale}
    return subprocess.run([COMMAND, "tree", name], env=environment, capture_output=True, check=True).stdout.decode()


@pytest.mark.vm
def test_a_pod_with_three_containers_is_drawn_as_it_is(node: Instance) -> None:
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}]}
    limits = {"resources": {"limits": {"cpu": "500m", "memory": "32Mi"}}}
    inits = [manifests.busybox("setup", "true"), manifests.busybox("side", restartPolicy="Always", **mount)]
    containers = [manifests.busybox("main", **limits), manifests.busybox("second", securityContext={"runAsUser": 9})]
    volumes = [{"name": "data", "emptyDir": {}}]
    node.apply(manifests.pod("three", *containers, initContainers=inits, volumes=volumes), wait=True)
    pod = node.pod("three")
    seen = anatomy(node, "three")
    assert seen["shim"] == node.shim_pid(pod)
    assert seen["machine"] == namespaces(os.getpid())
    assert seen["pause"]["processes"][0]["pid"] == node.pause_pid(pod)
    assert seen["pause"]["namespaces"] == namespaces(node.pause_pid(pod))
    assert sorted(seen["containers"]) == ["main", "second", "side"]
    pids = {"main": node.container_pids(pod)[0], "second": node.container_pids(pod, "second")[0]}
    for name, pid in pids.items():
        first = seen["containers"][name]["processes"][0]
        assert (first["pid"], first["innerPid"], first["argv"][:2]) == (pid, 1, ["sh", "-c"])
        assert seen["containers"][name]["namespaces"] == namespaces(pid)
        assert seen["containers"][name]["group"]["path"] == node.container_group(pod, name).path
    assert [seen["containers"][name]["processes"][0]["uid"] for name in pids] == [0, 9]
    group = seen["containers"]["main"]["group"]
    assert (group["cpuMost"], group["memoryMost"]) == (500, 32 << 20)
    assert 0 < group["memory"] < 32 << 20
    assert seen["link"]["addresses"][0].split("/")[0] == pods.address(pod)
    assert (seen["link"]["bridge"], bool(seen["link"]["hostEnd"])) == (node.paths.bridge, True)
    text = drawn(node, "three")
    assert "\x1b" not in text
    for part in ("├─ ✔ setup  init container", "● side  sidecar", "/data  emptyDir data, read-only", " of 32Mi"):
        assert part in text
    assert f"net     {seen['pause']['namespaces']['net']} ────── ● ─────────── ●" in text
    plain = drawn(node, "three", "C")
    assert plain.isascii()
    assert f"net     {seen['pause']['namespaces']['net']} ------ * ----------- *" in plain


def test_programs_that_are_many_or_have_evil_names_are_drawn_safely(node: Instance) -> None:
    evil = manifests.busybox(command=["sh", "-c", manifests.SLEEP, "a\x1b[2J\nb\u202e"])
    script = f"unshare -n sleep 999 & for i in $(seq {MANY}); do sleep 1000 & done; wait"
    crowd = manifests.busybox("crowd", script, securityContext={"privileged": True})
    broken = manifests.busybox("broken", "exit 3")
    spec: Json = {"hostNetwork": True, "shareProcessNamespace": True, "terminationGracePeriodSeconds": 0}
    node.apply(manifests.pod("odd", evil, crowd, broken, **spec))
    pod = node.wait_for(
        "odd",
        lambda pod: pods.is_running(pod) and pods.is_running(pod, "crowd") and pods.has_crashed(pod, "broken"),
        "to run and crash",
    )
    wait_until(lambda: len(node.container_pids(pod, "crowd")) == MANY + 2, "the crowd")
    seen = anatomy(node, "odd")
    assert seen["link"] is None
    assert seen["pause"]["namespaces"]["net"] == seen["machine"]["net"]
    assert seen["containers"]["main"]["namespaces"]["pid"] == seen["pause"]["namespaces"]["pid"]
    told = seen["containers"]["crowd"]
    assert len(told["processes"]) + told["moreProcesses"] == MANY + 2
    assert told["processes"][0]["argv"][0] == "sh"
    wait_until(lambda: "sleep 999 · own net" in drawn(node, "odd"), "a process to go apart", step=0.1)
    text = drawn(node, "odd")
    assert "a\\x1b[2J\\nb\\u202e" in text
    assert all(one.isprintable() for one in text.replace("\n", ""))
    assert "more like it" in text
    assert "the machine's own" in text


def test_pods_that_wait_or_have_ended_are_drawn_from_their_status(node: Instance) -> None:
    node.apply(
        manifests.pod("ended", manifests.busybox(script="exit 3"), restartPolicy="Never"),
        manifests.pod("nowhere", nodeSelector={"no": "node"}),
    )
    node.wait_for("ended", pods.has_ended, "to end")
    assert "└─ ✘ main  container, busybox:1" in drawn(node, "ended")
    assert "Error · exit code 3" in drawn(node, "ended")
    node.wait_for("nowhere", lambda pod: pod["status"].get("conditions"), "to be looked at")
    assert "Unschedulable: 0/1 nodes are available" in drawn(node, "nowhere")
    missing = node.run("tree", "missing", check=False)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == 'Error from server (NotFound): pods "missing" not found\n'
