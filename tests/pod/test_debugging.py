"""Ephemeral containers and `podrun debug`: help that comes into a pod while it runs."""

from __future__ import annotations

import json

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.api import Refusal
from tests.pod.instance import COMMAND, NAMESPACE, Instance
from tests.terminals import ENTER, Terminal

POD = "ailing"


@pytest.fixture(scope="module")
def target(node: Instance) -> Instance:
    node.apply(manifests.pod(POD, manifests.witness("main", "hang")), wait=True)
    return node


def ephemeral(pod: pods.Json, name: str) -> pods.Json:
    found = pod["status"].get("ephemeralContainerStatuses", ())
    return next((each for each in found if each["name"] == name), {})


@pytest.mark.vm
def test_a_session_among_the_processes_of_a_container(target: Instance) -> None:
    words = ("debug", "-it", POD, f"--image={manifests.BUSYBOX}", "--target=main", "-c", "helper", "--", "sh")
    with Terminal([COMMAND, *words], target.environment) as terminal:
        terminal.expect('Targeting container "main".')
        terminal.expect("pressing enter.")
        terminal.type(b"tr '\\0' ' ' < /proc/1/cmdline; ls /proc/1/root; grep CapEff /proc/self/status" + ENTER)
        terminal.expect("/witness hang")
        terminal.expect("witness")
        terminal.expect("00000000a80c25fb")  # SYS_PTRACE by the profile
        running = target.wait_for(POD, lambda pod: "running" in ephemeral(pod, "helper").get("state", {}), "to show it")
        assert ephemeral(running, "helper")["ready"] is False
        assert pods.is_ready(running)
        terminal.type(b"exit 3" + ENTER)
        assert terminal.code() == 0
    ended = target.wait_for(POD, lambda pod: "terminated" in ephemeral(pod, "helper").get("state", {}), "its end")
    assert ephemeral(ended, "helper")["state"]["terminated"]["exitCode"] == 3
    assert ephemeral(ended, "helper")["restartCount"] == 0
    assert pods.is_ready(ended)
    assert pods.restarts(ended) == 0
    shown = target.run("describe", "pod", POD).stdout
    assert "Ephemeral Containers:\n  helper:" in shown
    assert any("/witness hang" in line for line in target.logs(POD, "helper"))
    again = target.run("debug", POD, f"--image={manifests.BUSYBOX}", "-c", "helper", check=False)
    assert 'container "helper" is in pod ailing already' in again.stderr


def test_it_has_processes_of_its_own_without_a_target_and_outlives_the_kubelet(target: Instance) -> None:
    words = ("debug", POD, f"--image={manifests.BUSYBOX}", "-c", "apart", "--profile=baseline", "--env=A=b", "--")
    assert target.run(*words, "sh", "-c", manifests.SLEEP).stdout == ""
    target.wait_for(POD, lambda pod: "running" in ephemeral(pod, "apart").get("state", {}), "it to run")
    assert "sh" in target.exec(POD, "cat", "/proc/1/cmdline", container="apart").stdout
    assert target.exec(POD, "sh", "-c", "echo $A", container="apart").stdout == "b\n"
    before = ephemeral(target.pod(POD), "apart")["containerID"]
    target.restart_kubelet()
    target.wait_for(POD, pods.is_ready, "to be ready")
    assert ephemeral(target.pod(POD), "apart")["containerID"] == before


def test_what_is_there_may_not_change_and_what_makes_no_sense_is_refused(target: Instance) -> None:
    path = f"{NAMESPACE}/pods/{POD}/ephemeralcontainers"
    target.run("debug", POD, f"--image={manifests.BUSYBOX}", "-c", "fixed", "--", "true")

    def patched(*added: pods.Json) -> str:
        body = json.dumps({"spec": {"ephemeralContainers": list(added)}}).encode()
        with pytest.raises(Refusal) as refusal:
            target.request("PATCH", path, body, "application/strategic-merge-patch+json")
        return str(refusal.value)

    assert 'existing ephemeral containers "fixed" may not be changed' in patched({"name": "fixed", "image": "x"})
    assert "spec.ephemeralContainers" in patched({"name": "new", "image": "x", "ports": [{"containerPort": 1}]})
    assert "targetContainerName" in patched({"name": "new", "image": "x", "targetContainerName": "nobody"})
    refused = target.run("apply", "-f", "-", stdin=json.dumps(with_ephemeral()), check=False)
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in refused.stderr
    image = target.run("debug", POD, check=False)
    assert image.stderr == "error: you must specify --image when not using --copy-to.\n"


def with_ephemeral() -> pods.Json:
    return manifests.pod("early", ephemeralContainers=[{"name": "e", "image": manifests.BUSYBOX}])


def test_a_copy_is_debugged_beside_the_original(target: Instance) -> None:
    words = ("debug", POD, "-i", "-q", f"--image={manifests.BUSYBOX}", "--copy-to=copied", "-c", "dbg", "--", "sh")
    wait_for_it = "until ps | grep -q '[w]itness hang'; do sleep 0.1; done"
    result = target.run(*words, stdin=f"{wait_for_it}; ps | grep -c '[w]itness hang'; exit\n")
    assert result.stdout == "1\n"
    copied = target.pod("copied")
    assert copied["spec"]["shareProcessNamespace"] is True
    assert [each["name"] for each in copied["spec"]["containers"]] == ["main", "dbg"]
    target.discard("copied", 0)
    wait.wait_until(lambda: target.find_pod("copied") is None, "the copy to go")
