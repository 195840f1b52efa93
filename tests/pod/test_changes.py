"""Changes to a pod that runs: what Kubernetes allows is carried out, by kubectl's three ways of asking."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import NAMESPACE, Instance

Json = dict[str, Any]

TWO = (manifests.busybox("main"), manifests.busybox("other"))


def patch(node: Instance, name: str, change: Json) -> None:
    body = json.dumps(change).encode()
    node.request("PATCH", f"{NAMESPACE}/pods/{name}", body, "application/strategic-merge-patch+json")


@pytest.mark.vm
def test_a_new_image_restarts_its_container_alone(node: Instance) -> None:
    node.apply(manifests.pod("change", *TWO), wait=True)
    before = node.pod("change")
    alias = f"docker.io/library/{manifests.BUSYBOX}"  # the same image by its full name
    patch(node, "change", {"spec": {"containers": [{"name": "other", "image": alias}]}})
    after = node.wait_for("change", lambda pod: pods.restarts(pod, "other") == 1, "to restart the container")
    assert pods.container(after, "other")["image"] == alias
    assert pods.container_ids(after)["main"] == pods.container_ids(before)["main"]
    text = "Killing Container other definition changed, will be restarted"
    wait.wait_until(lambda: text in node.events("change"), "the event", 10)
    applied = node.apply(manifests.pod("change", *TWO))
    assert applied.stdout == "pod/change configured\n"
    assert node.apply(manifests.pod("change", *TWO)).stdout == "pod/change unchanged\n"
    node.wait_for("change", lambda pod: pods.restarts(pod, "other") == 2, "to restart the container again")


def test_a_deadline_set_later_ends_the_pod(node: Instance) -> None:
    node.apply(manifests.pod("late"), wait=True)
    node.apply(manifests.pod("late", activeDeadlineSeconds=1))
    ended = node.wait_for("late", pods.has_ended, "to reach its deadline")
    assert (pods.phase(ended), ended["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_labels_change_while_the_pod_runs_on(node: Instance) -> None:
    node.apply(manifests.pod("label", labels={"a": "1"}), wait=True)
    before = node.pod("label")
    assert node.apply(manifests.pod("label", labels={"b": "2"})).stdout == "pod/label configured\n"
    after = node.pod("label")
    assert after["metadata"]["labels"] == {"b": "2"}
    assert pods.container_ids(after) == pods.container_ids(before)
    assert pods.restarts(after) == 0


def test_anything_else_is_refused_and_the_pod_runs_on(node: Instance) -> None:
    node.apply(manifests.pod("fixed"), wait=True)
    before = node.pod("fixed")
    refused = node.run("apply", "-f", "-", stdin=json.dumps(manifests.pod("fixed", restartPolicy="Never")), check=False)
    assert refused.returncode == 1
    assert 'The Pod "fixed" is invalid: spec: Forbidden: pod updates may not change fields' in refused.stderr
    assert node.pod("fixed")["spec"] == before["spec"]
