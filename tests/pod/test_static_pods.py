"""Manifests in a folder: pods come, change and go with their files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance

Json = dict[str, Any]


@pytest.fixture
def folder(own_node: Instance) -> Iterator[Path]:
    """The manifest directory; empty again at the end, so that nothing comes back."""
    directory = own_node.paths.manifest_dir
    directory.mkdir(exist_ok=True)
    own_node.restart_kubelet()  # else a directory that comes later is noticed by the rescan only
    yield directory
    for path in directory.iterdir():
        path.unlink()
    wait.wait_until(lambda: not own_node.pods(), "static pods to go", 30)


def put(folder: Path, name: str, *objects: Json | str) -> None:
    """As editors and configuration tools do it: written beside, then moved."""
    beside = folder / f".{name}.new"
    beside.write_text("\n---\n".join(each if isinstance(each, str) else json.dumps(each) for each in objects))
    os.replace(beside, folder / name)


def static(instance: Instance, name: str) -> str:
    """The pod's name on this node."""
    (node,) = instance.request("GET", "/api/v1/nodes")["items"]
    return f"{name}-{node['metadata']['name']}"


def events_of_node(instance: Instance) -> list[str]:
    found = instance.request("GET", "/api/v1/namespaces/default/events")["items"]
    return [each["message"] for each in found if each["involvedObject"]["kind"] == "Node"]


@pytest.mark.vm
def test_pods_come_change_and_go_with_their_files(own_node: Instance, folder: Path) -> None:
    name = static(own_node, "web")
    put(folder, "web.yaml", manifests.pod("web"))
    wait.wait_until(lambda: own_node.find_pod(name), "the pod to come", 15)
    first = own_node.wait_for(name, pods.is_ready, "to be ready")
    assert first["metadata"]["annotations"]["kubernetes.io/config.source"] == "file"
    assert not any(each.startswith("Scheduled ") for each in own_node.events(name))

    put(folder, "web.yaml", manifests.pod("web", labels={"version": "2"}))
    second = own_node.wait_for_uid_change(name, pods.uid(first))
    assert second["metadata"]["labels"] == {"version": "2"}
    own_node.wait_for(name, pods.is_ready, "to be ready")

    (folder / "web.yaml").unlink()
    own_node.wait_gone(name)


def test_a_deleted_static_pod_comes_back(own_node: Instance, folder: Path) -> None:
    name = static(own_node, "web")
    put(folder, "web.json", manifests.pod("web"))
    wait.wait_until(lambda: own_node.find_pod(name), "the pod to come", 15)
    first = own_node.wait_for(name, pods.is_ready, "to be ready")
    own_node.discard(name)
    own_node.wait_for_uid_change(name, pods.uid(first))
    own_node.wait_for(name, pods.is_ready, "to be ready")


def test_static_pods_run_on_and_follow_what_changed_without_a_kubelet(own_node: Instance, folder: Path) -> None:
    kept, dropped = static(own_node, "kept"), static(own_node, "dropped")
    put(folder, "kept.yaml", manifests.pod("kept"))
    put(folder, "dropped.yaml", manifests.pod("dropped"))
    wait.wait_until(lambda: len(own_node.pods()) == 2, "the pods to come", 15)
    before = own_node.wait_for(kept, pods.is_ready, "to be ready")
    own_node.kill_kubelet()
    (folder / "dropped.yaml").unlink()
    own_node.start_kubelet()
    own_node.wait_gone(dropped)
    after = own_node.pod(kept)
    assert pods.uid(after) == pods.uid(before)
    assert pods.container_ids(after) == pods.container_ids(before)


def test_a_bad_file_is_reported_and_harms_nobody(own_node: Instance, folder: Path) -> None:
    name = static(own_node, "web")
    put(folder, "web.yaml", manifests.pod("web"))
    wait.wait_until(lambda: own_node.find_pod(name), "the pod to come", 15)
    before = own_node.wait_for(name, pods.is_ready, "to be ready")
    put(folder, "web.yaml", "kind: Pod: oops")
    put(folder, "config.yaml", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "c"}})
    put(folder, "other.yaml", manifests.pod("other"))
    own_node_other = static(own_node, "other")
    wait.wait_until(lambda: own_node.find_pod(own_node_other), "the other pod to come", 15)
    wait.wait_until(lambda: len(events_of_node(own_node)) >= 2, "the events", 10)
    told = "\n".join(events_of_node(own_node))
    assert f"Error validating manifest {folder}/web.yaml: error converting YAML" in told
    assert "podrun does not carry out this kind yet" in told
    assert pods.uid(own_node.pod(name)) == pods.uid(before)


def names_of(node: Instance, kind: str) -> list[str]:
    return [each["metadata"]["name"] for each in node.request("GET", f"/api/v1/namespaces/default/{kind}")["items"]]


@pytest.mark.vm
def test_config_maps_and_secrets_of_the_folder_serve_its_pods(own_node: Instance, folder: Path) -> None:
    name, home = static(own_node, "web"), "/api/v1/namespaces/default"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"A": "1"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"B": "2"}}
    sources = [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]
    pod = manifests.pod("web", manifests.busybox(envFrom=sources))
    put(folder, "web.yaml", pod, config)
    wait.wait_until(lambda: own_node.find_pod(name), "the pod to come", 15)
    own_node.wait_for(name, lambda pod: "not found" in pods.waiting(pod).get("message", ""), "to wait for the secret")
    put(folder, "secret.yaml", secret)
    own_node.wait_for(name, pods.is_ready, "to be ready")
    assert own_node.exec(name, "sh", "-c", "echo $A$B").stdout == "12\n"
    put(folder, "web.yaml", pod, config | {"data": {"A": "new"}})
    wait.wait_until(lambda: own_node.request("GET", f"{home}/configmaps/c")["data"] == {"A": "new"}, "the change", 15)
    put(folder, "fixed.yaml", config | {"metadata": {"name": "fixed"}, "immutable": True})
    wait.wait_until(lambda: "fixed" in names_of(own_node, "configmaps"), "what is immutable", 15)
    put(folder, "fixed.yaml", config | {"metadata": {"name": "fixed"}, "immutable": True, "data": {"A": "other"}})
    refused = "data: Forbidden: field is immutable when `immutable` is set"
    wait.wait_until(lambda: refused in own_node.kubelet_log(), "the change to be refused", 15)
    assert own_node.request("GET", f"{home}/configmaps/fixed")["data"] == {"A": "1"}
    before = own_node.request("GET", f"{home}/secrets/s")["metadata"]["uid"]
    own_node.request("DELETE", f"{home}/secrets/s")

    def secrets() -> list[str]:
        items = own_node.request("GET", f"{home}/secrets")["items"]
        return [each["metadata"]["uid"] for each in items]

    wait.wait_until(lambda: secrets() and secrets() != [before], "the secret to come back", 15)
    (folder / "secret.yaml").unlink()
    wait.wait_until(lambda: not secrets(), "the secret to go with its file", 15)
    assert pods.is_ready(own_node.pod(name))
