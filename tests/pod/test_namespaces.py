"""Namespaces and their service accounts; who on the machine can read what is secret."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance, Refusal


def in_namespace(namespace: str, manifest: dict[str, object]) -> dict[str, object]:
    metadata = manifest["metadata"]
    assert isinstance(metadata, dict)
    return manifest | {"metadata": metadata | {"namespace": namespace}}


@pytest.mark.vm
def test_a_namespace_has_an_account_and_goes_with_all_that_is_in_it(node: Instance) -> None:
    home = "/api/v1/namespaces/shop"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    node.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        config | {"metadata": {"name": "c", "namespace": "shop", "finalizers": ["example.com/hold"]}},
        in_namespace("shop", manifests.pod("p", manifests.busybox(envFrom=[{"configMapRef": {"name": "c"}}]))),
    )
    wait.wait_until(lambda: pods.is_ready(node.request("GET", f"{home}/pods/p")), "the pod to be ready", 20)
    assert node.run("get", "sa", "-n", "shop").stdout.split()[:4] == ["NAME", "SECRETS", "AGE", "default"]
    node.run("delete", "ns", "shop", "--no-wait")
    assert "Terminating" in node.run("get", "ns", "shop").stdout
    refused = node.run("apply", "-f", "-", stdin=json.dumps(in_namespace("shop", manifests.pod("q"))), check=False)
    assert refused.returncode == 1
    assert "because it is being terminated" in refused.stderr

    wait.wait_until(lambda: "p" not in node.pods(), "its pod to go", 20)
    no_finalizers = b'{"metadata": {"finalizers": null}}'
    node.request("PATCH", f"{home}/configmaps/c", no_finalizers, "application/merge-patch+json")

    def is_gone() -> bool:
        try:
            node.request("GET", home)
        except Refusal as refusal:
            return refusal.code == 404
        return False

    wait.wait_until(is_gone, "the namespace to be gone", 30)
    assert node.request("GET", f"{home}/events")["items"] == []
    refused = node.run("delete", "ns", "default", check=False)
    assert refused.stderr.strip().endswith('namespaces "default" is forbidden: this namespace may not be deleted')
    # The account of a namespace that stays comes back.
    node.run("delete", "sa", "default", "--no-wait")
    wait.wait_until(lambda: "default" in node.run("get", "sa").stdout, "the account to come back", 20)


def test_no_other_user_of_the_machine_can_read_secrets(node: Instance) -> None:
    text = "only-for-the-pod-" + "x" * 8
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"KEY": text}}
    node.apply(secret, manifests.pod("secretive", manifests.busybox(envFrom=[{"secretRef": {"name": "s"}}])), wait=True)
    for top in (node.paths.root, node.paths.run_dir):
        for directory, names, files in os.walk(top):
            holding = [name for name in files if text.encode() in content(Path(directory, name))]
            for name in holding:
                assert others_are_kept_out(Path(directory, name), top.parent), Path(directory, name)
            names[:] = [name for name in names if not Path(directory, name).is_symlink()]
    assert text not in node.kubelet_log()
    assert text not in node.run("describe", "secret", "s").stdout + node.run("describe", "pod", "secretive").stdout
    database = [path for path in node.paths.root.iterdir() if path.name.startswith("podrun.db")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in database} == {0o600}


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b""


def others_are_kept_out(path: Path, top: Path) -> bool:
    """By the mode of the file itself or of a directory above it, up to `top`."""
    every = [path, *(each for each in path.parents if top in each.parents)]
    return any(not stat.S_IMODE(each.stat().st_mode) & 0o007 for each in every)
