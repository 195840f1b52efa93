"""Restart policies with real exits: who runs again, what is counted and remembered, and how the wait is shown."""

from __future__ import annotations

import pytest

from tests import wait
from tests.pod import manifests, pods, story
from tests.pod.instance import Instance


@pytest.mark.vm
def test_always_restarts_successes_too_then_waits_and_says_so(node: Instance) -> None:
    node.apply(manifests.pod("always", manifests.busybox(script="echo run; exit 0")))
    pod = node.wait_for("always", lambda pod: pods.waiting(pod).get("reason") == "CrashLoopBackOff", "to back off")
    assert pods.phase(pod) == "Running"
    assert pods.restarts(pod) == 1, "the first restart comes at once"
    assert pods.last_terminated(pod)["reason"] == "Completed"
    where = f"always_default({pods.uid(pod)})"
    assert pods.waiting(pod)["message"] == f"back-off 10s restarting failed container=main pod={where}"
    story.wait_event(node, "always", "BackOff", f"Back-off restarting failed container main in pod {where}")
    assert node.logs("always", "main", "--previous") == ["run"]

    def row() -> list[str]:
        return node.run("get", "pod", "always").stdout.splitlines()[1].split()[1:4]

    wait.wait_until(lambda: row()[:2] == ["0/1", "CrashLoopBackOff"], "get to show it", 40)
    assert int(row()[2]) >= 1, "how often it was restarted"


def test_back_off_grows_and_each_run_remembers_the_one_before(node: Instance) -> None:
    script = "echo run >> /kept/runs; exit $(wc -l < /kept/runs)"
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    node.apply(
        manifests.pod(
            "counting",
            manifests.busybox(script=script, volumeMounts=mounts),
            volumes=[{"name": "kept", "emptyDir": {}}],
        )
    )
    pod = node.wait_for("counting", lambda pod: pods.restarts(pod) == 2, "a third run after some 10 seconds", 40)
    pod = node.wait_for("counting", lambda pod: pods.waiting(pod).get("reason") == "CrashLoopBackOff", "to back off")
    assert pods.last_terminated(pod)["exitCode"] == 3, "the emptyDir is kept over restarts"
    assert "back-off 20s" in pods.waiting(pod)["message"]


@pytest.mark.vm
def test_on_failure_restarts_failures_until_one_run_succeeds(node: Instance) -> None:
    script = "[ -e /kept/failed ] && { echo second; exit 0; }; touch /kept/failed; echo first; exit 3"
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    node.apply(
        manifests.pod(
            "on-failure",
            manifests.busybox(script=script, volumeMounts=mounts),
            volumes=[{"name": "kept", "emptyDir": {}}],
            restartPolicy="OnFailure",
        )
    )
    pod = node.wait_for("on-failure", pods.has_ended, "to succeed")
    assert pods.phase(pod) == "Succeeded"
    assert (pods.terminated(pod)["exitCode"], pods.terminated(pod)["reason"]) == (0, "Completed")
    assert pods.last_terminated(pod)["exitCode"] == 3
    assert pods.restarts(pod) == 1
    assert node.logs("on-failure") == ["second"]
    assert node.logs("on-failure", "main", "--previous") == ["first"]


@pytest.mark.vm
def test_never_leaves_exits_as_they_are(node: Instance) -> None:
    node.apply(
        manifests.pod(
            "never", manifests.busybox("good", "exit 0"), manifests.busybox("bad", "exit 9"), restartPolicy="Never"
        )
    )
    pod = node.wait_for("never", pods.has_ended, "to have failed")
    assert pods.phase(pod) == "Failed"
    assert pods.terminated(pod, "good")["reason"] == "Completed"
    assert (pods.terminated(pod, "bad")["reason"], pods.terminated(pod, "bad")["exitCode"]) == ("Error", 9)
    assert {each["restartCount"] for each in pod["status"]["containerStatuses"]} == {0}
    wait.wait_until(lambda: not node.pod_group(pod).exists(), "the sandbox of the finished pod to be gone")
    assert node.run("get", "pod", "never").stdout.splitlines()[1].split()[2] == "Error"
    previous = node.run("logs", "never", "-c", "bad", "--previous", check=False)
    assert previous.returncode == 1
    assert 'previous terminated container "bad" in pod "never" not found' in previous.stderr
