"""ConfigMaps, Secrets, claims and service accounts over HTTP: stored, changed, refused, listed as tables."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.api_server import Api, play
from tests.unit.test_server_apply import result

HOME = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def manifest(kind: str, name: str = "one", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def config(**fields: Any) -> dict[str, Any]:
    return manifest("ConfigMap", **fields)


def secret(**fields: Any) -> dict[str, Any]:
    return manifest("Secret", **fields)


def claim(**spec: Any) -> dict[str, Any]:
    plain = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return manifest("PersistentVolumeClaim", spec=plain | spec)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_secret_folds_its_strings_and_gets_a_type(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        sent = secret(data={"a": encoded("1"), "b": encoded("2")}, stringData={"b": "three"})
        created = (await api.ask("POST", f"{HOME}/secrets", sent)).json
        assert created["data"] == {"a": encoded("1"), "b": encoded("three")}
        assert created["type"] == "Opaque"
        assert "stringData" not in created
        patched = await api.ask("PATCH", f"{HOME}/secrets/one", {"stringData": {"c": "4"}}, Content_Type=MERGE)
        assert patched.json["data"] == {"a": encoded("1"), "b": encoded("three"), "c": encoded("4")}
        assert (await api.ask("DELETE", f"{HOME}/secrets/one")).status == 200
        assert (await api.ask("GET", f"{HOME}/secrets/one")).status == 404

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (config(data={"a b": "x"}), 'data[a b]: Invalid value: "a b": a valid config key must consist of'),
        (config(data={"..": "x"}), "data[..]: Invalid value: \"..\": must not be '..'"),
        (config(data={"a": "x"}, binaryData={"a": ""}), 'binaryData[a]: Invalid value: "a": duplicate of key present'),
        (config(data={"a": "x" * (1 << 20), "b": "y"}), "[]: Too long: may not be more than 1048576 bytes"),
        (config(metadata={"name": "A"}), 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must'),
        (secret(stringData={"a": "x" * ((1 << 20) + 1)}), "data: Too long: may not be more than 1048576 bytes"),
        (secret(type="kubernetes.io/tls"), "[data[tls.crt]: Required value, data[tls.key]: Required value]"),
        (secret(type="kubernetes.io/basic-auth"), "[data[username]: Required value, data[password]: Required value]"),
        (secret(type="kubernetes.io/ssh-auth"), "data[ssh-privatekey]: Required value"),
        (secret(type="kubernetes.io/dockercfg"), "data[.dockercfg]: Required value"),
        (
            secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "{"}),
            'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>":',
        ),
        (
            secret(type="kubernetes.io/service-account-token"),
            "metadata.annotations[kubernetes.io/service-account.name]: Required value",
        ),
        (claim(accessModes=[]), "spec.accessModes: Required value: at least 1 access mode is required"),
        (claim(accessModes=["X"]), 'spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", '),
        (claim(resources={}), "spec.resources[storage]: Required value"),
        (claim(resources={"requests": {"storage": "0"}}), "must be greater than zero"),
        (claim(volumeMode="Block"), "spec.volumeMode: Forbidden: podrun does not carry out this field yet"),
    ],
)
def test_what_is_invalid_is_refused_in_the_words_of_kubernetes(
    tmp_path: Path, sent: dict[str, Any], error: str
) -> None:
    async def scenario(api: Api) -> None:
        plural = f"{sent['kind'].lower()}s"
        answer = await api.ask("POST", f"{HOME}/{plural}", sent)
        assert answer.status == 422
        assert answer.json["message"].startswith(f'{sent["kind"]} "{sent["metadata"]["name"]}" is invalid: ')
        assert error in answer.json["message"]
        assert (await api.ask("GET", f"{HOME}/{plural}")).json["items"] == []

    play(tmp_path, scenario)


def test_good_secrets_of_every_type_are_taken(tmp_path: Path) -> None:
    contents = {
        "Opaque": {},
        "example.com/own": {"x": "y"},
        "kubernetes.io/tls": {"tls.crt": "c", "tls.key": "k"},
        "kubernetes.io/basic-auth": {"username": ""},
        "kubernetes.io/ssh-auth": {"ssh-privatekey": "k"},
        "kubernetes.io/dockercfg": {".dockercfg": "{}"},
        "kubernetes.io/dockerconfigjson": {".dockerconfigjson": '{"auths": {}}'},
    }

    async def scenario(api: Api) -> None:
        for number, (type_, content) in enumerate(contents.items()):
            sent = secret(name=f"s{number}", type=type_, stringData=content)
            assert (await api.ask("POST", f"{HOME}/secrets", sent)).status == 201
        found = await api.ask("GET", f"{HOME}/secrets?fieldSelector=type=kubernetes.io/tls")
        assert [one["metadata"]["name"] for one in found.json["items"]] == ["s2"]

    play(tmp_path, scenario)


def test_what_is_immutable_stays(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", f"{HOME}/configmaps", config(data={"a": "1"}, immutable=True))
        for change, field in (({"data": {"a": "2"}}, "data"), ({"immutable": None}, "immutable")):
            answer = await api.ask("PATCH", f"{HOME}/configmaps/one", change, Content_Type=MERGE)
            assert f"{field}: Forbidden: field is immutable when `immutable` is set" in answer.json["message"]
        labels = {"metadata": {"labels": {"x": "y"}}}
        assert (await api.ask("PATCH", f"{HOME}/configmaps/one", labels, Content_Type=MERGE)).status == 200
        await api.ask("POST", f"{HOME}/secrets", secret())
        answer = await api.ask("PATCH", f"{HOME}/secrets/one", {"type": "x/y"}, Content_Type=MERGE)
        assert 'type: Invalid value: "x/y": field is immutable' in answer.json["message"]

    play(tmp_path, scenario)


def test_the_spec_of_a_claim_is_immutable(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        created = (await api.ask("POST", f"{HOME}/persistentvolumeclaims", claim())).json
        assert (created["spec"]["storageClassName"], created["spec"]["volumeMode"]) == ("standard", "Filesystem")
        assert created["status"] == {"phase": "Pending"}
        for spec in ({"accessModes": ["ReadWriteMany"]}, {"resources": {"requests": {"storage": "2Gi"}}}):
            path = f"{HOME}/persistentvolumeclaims/one"
            answer = await api.ask("PATCH", path, {"spec": spec}, Content_Type=MERGE)
            assert "spec: Forbidden: spec is immutable after creation except" in answer.json["message"]

    play(tmp_path, scenario)


def test_data_is_applied_three_ways(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        assert (await result(api, config(data={"ours": "1", "dropped": "1"})))["result"] == "created"
        await api.ask("PATCH", f"{HOME}/configmaps/one", {"data": {"theirs": "1"}}, Content_Type=MERGE)
        assert (await result(api, config(data={"ours": "1", "dropped": "1"})))["result"] == "unchanged"
        changed = await result(api, config(data={"ours": "2"}))
        assert (changed["result"], changed["object"]["data"]) == ("configured", {"ours": "2", "theirs": "1"})
        for one in (secret(stringData={"a": "b"}), claim(), manifest("ServiceAccount")):
            assert (await result(api, one))["result"] == "created"
            assert (await result(api, one))["result"] == "unchanged"

    play(tmp_path, scenario)


def test_an_object_with_finalizers_goes_when_the_last_is_taken_away(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        sent = config()
        sent["metadata"]["finalizers"] = ["example.com/wait"]
        await api.ask("POST", f"{HOME}/configmaps", sent)
        deleted = (await api.ask("DELETE", f"{HOME}/configmaps/one")).json
        assert deleted["metadata"]["deletionTimestamp"]
        assert (await api.ask("GET", f"{HOME}/configmaps/one")).status == 200
        await api.ask("PATCH", f"{HOME}/configmaps/one", {"metadata": {"finalizers": None}}, Content_Type=MERGE)
        assert (await api.ask("GET", f"{HOME}/configmaps/one")).status == 404

    play(tmp_path, scenario)


def test_tables_have_the_columns_of_kubectl(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        rows = {
            "configmaps": (config(data={"a": "1"}, binaryData={"b": ""}), ["one", 2, "0s"]),
            "secrets": (secret(stringData={"a": "1"}), ["one", "Opaque", 1, "0s"]),
            "serviceaccounts": (manifest("ServiceAccount"), ["one", 0, "0s"]),
            "persistentvolumeclaims": (
                claim(),
                ["one", "Pending", "", "", "", "standard", "<unset>", "0s", "<unset>"],
            ),
        }
        for plural, (sent, cells) in rows.items():
            await api.ask("POST", f"{HOME}/{plural}", sent)
            table = (await api.ask("GET", f"{HOME}/{plural}", Accept=TABLE)).json
            assert table["rows"][0]["cells"] == cells
            assert len(table["columnDefinitions"]) == len(cells)

    play(tmp_path, scenario)


def test_changes_are_watched_and_only_what_has_a_status_gets_one(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", f"{HOME}/configmaps", config(data={"a": "1"}))
        async with api.stream(f"{HOME}/configmaps?watch=1") as lines:
            assert json.loads(await lines.readline())["type"] == "ADDED"
            await api.ask("PATCH", f"{HOME}/configmaps/one", {"data": {"a": "2"}}, Content_Type=MERGE)
            change = json.loads(await lines.readline())
            assert (change["type"], change["object"]["data"]) == ("MODIFIED", {"a": "2"})
        assert (await api.ask("PATCH", f"{HOME}/configmaps/one/status", {}, Content_Type=MERGE)).status == 404

    play(tmp_path, scenario)


def test_a_deleted_namespace_is_terminating_and_takes_nothing_more(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        await api.ask("POST", "/api/v1/namespaces", manifest("Namespace", "x"))
        deleted = (await api.ask("DELETE", "/api/v1/namespaces/x")).json
        assert (deleted["status"]["phase"], bool(deleted["metadata"]["deletionTimestamp"])) == ("Terminating", True)
        answer = await api.ask("POST", "/api/v1/namespaces/x/configmaps", config())
        assert "because it is being terminated" in answer.json["message"]

    play(tmp_path, scenario)
