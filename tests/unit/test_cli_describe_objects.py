"""`podrun describe` of ConfigMaps, Secrets, claims, namespaces and service accounts, word for word."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podrun.cli import describe_containers
from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

HOME = "/api/v1/namespaces/default"
NO_EVENTS = {"kind": "Table", "columnDefinitions": [], "rows": []}
LAST_APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}


def described(kind: str, plural: str, server: PreparedServer, cli: Cli, **fields: Any) -> str:
    metadata = {"name": "one", "namespace": "default", "uid": "u", "annotations": LAST_APPLIED}
    found = {"kind": kind, "metadata": metadata} | fields
    server.answer(f"GET {HOME}/{plural}/one", found)
    server.answer(f"GET {HOME}/events", NO_EVENTS)
    run = cli("describe", plural, "one")
    assert (run.err, run.code) == ("", 0)
    return run.out


def test_a_config_map_is_shown_whole(server: PreparedServer, cli: Cli) -> None:
    data = {"b.conf": "x: 1\ny: 2\n", "a": "1"}
    out = described("ConfigMap", "configmaps", server, cli, data=data, binaryData={"z": "AAAA"})
    assert out == (
        "Name:         one\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\n"
        "Data\n====\na:\n----\n1\n\nb.conf:\n----\nx: 1\ny: 2\n\n\n\nBinaryData\n====\nz: 3 bytes\n\nEvents:  <none>\n"
    )


def test_of_a_secret_only_sizes_are_shown(server: PreparedServer, cli: Cli) -> None:
    data = {"user": base64.b64encode(b"me").decode(), "password": base64.b64encode(b"hidden").decode()}
    out = described("Secret", "secrets", server, cli, type="Opaque", data=data)
    assert out == (
        "Name:         one\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\n"
        "Type:  Opaque\n\nData\n====\npassword:  6 bytes\nuser:      2 bytes\n"
    )


def test_a_claim_is_shown_with_the_pods_that_use_it(server: PreparedServer, cli: Cli) -> None:
    user = pod("db")
    user["spec"] |= {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "one"}}]}  # type: ignore[operator]
    server.answer(f"GET {HOME}/pods", pod_list(user, pod("other")))
    spec = {"storageClassName": "standard", "volumeName": "pvc-u", "volumeMode": "Filesystem"}
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}
    out = described("PersistentVolumeClaim", "persistentvolumeclaims", server, cli, spec=spec, status=status)
    assert out == (
        "Name:          one\nNamespace:     default\nStorageClass:  standard\nStatus:        Bound\n"
        "Volume:        pvc-u\nLabels:        <none>\nAnnotations:   <none>\nFinalizers:    []\n"
        "Capacity:      1Gi\nAccess Modes:  RWO,RWX\nVolumeMode:    Filesystem\nUsed By:       db\n"
        "Events:        <none>\n"
    )


def test_a_service_account_and_a_namespace(server: PreparedServer, cli: Cli) -> None:
    out = described("ServiceAccount", "serviceaccounts", server, cli, imagePullSecrets=[{"name": "a"}, {"name": "b"}])
    assert out == (
        "Name:                one\nNamespace:           default\nLabels:              <none>\n"
        "Annotations:         <none>\nImage pull secrets:  a\n                     b\n"
        "Mountable secrets:   <none>\nTokens:              <none>\nEvents:              <none>\n"
    )
    server.answer("GET /api/v1/namespaces/x", {"metadata": {"name": "x"}, "status": {"phase": "Active"}})
    out = cli("describe", "ns", "x").out
    assert out == (
        "Name:         x\nLabels:       <none>\nAnnotations:  <none>\nStatus:       Active\n\n"
        "No resource quota.\n\nNo LimitRange resource.\n"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            {"configMapKeyRef": {"name": "n", "key": "k"}},
            "<set to the key 'k' of config map 'n'>\tOptional: false",
        ),
        (
            {"secretKeyRef": {"name": "n", "key": "k", "optional": True}},
            "<set to the key 'k' in secret 'n'>\tOptional: true",
        ),
        ({"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}, "web (v1:metadata.name)"),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, " (v1:status.podIP)"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}, "500 (limits.cpu)"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}, "1 (limits.cpu)"),
        ({"resourceFieldRef": {"resource": "limits.memory"}}, "node allocatable (limits.memory)"),
        ({"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}, "0 (requests.memory)"),
    ],
)
def test_where_a_variable_comes_from_is_one_line(source: dict[str, Any], text: str) -> None:
    container = {
        "name": "c",
        "env": [{"name": "V", "valueFrom": source}],
        "resources": {"limits": {"cpu": "500m"}},
    }
    assert f"      V:\t{text}" in describe_containers.lines("Containers", [container], None, pod())
