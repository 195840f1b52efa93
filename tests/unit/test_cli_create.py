"""`podrun create`: what is sent for manifests and for options, and kubectl's words for what can't be."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer

BASE = "/api/v1/namespaces/default"


def created(server: PreparedServer, cli: Cli, plural: str, *arguments: str) -> dict[str, Any]:
    """What is sent when `podrun create ARGUMENTS` succeeds."""
    server.answer(f"POST {BASE}/{plural}", {"kind": "x", "metadata": {}})
    run = cli("create", *arguments)
    assert (run.code, run.err) == (0, "")
    return dict(json.loads(server.asked[-1].body))


def test_a_configmap_is_made_of_values_files_and_directories(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "one").write_text("1\n")
    (tmp_path / "d" / "raw").write_bytes(b"\xff\x00")
    words = ["cm", "c", "--from-literal=a=b=c", f"--from-file={tmp_path}/d", f"--from-file=two={tmp_path}/d/one"]
    sent = created(server, cli, "configmaps", *words)
    assert sent["data"] == {"a": "b=c", "one": "1\n", "two": "1\n"}
    assert sent["binaryData"] == {"raw": base64.b64encode(b"\xff\x00").decode()}
    assert (sent["kind"], sent["metadata"]) == ("ConfigMap", {"name": "c"})


def test_an_environment_file_is_lines_of_keys_and_values(
    server: PreparedServer, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_HERE", "yes")
    (tmp_path / "e").write_text('# words\n\nA=1=2\n  B="q"\nFROM_HERE\nUNSET_ANYWHERE\n')
    sent = created(server, cli, "configmaps", "configmap", "c", f"--from-env-file={tmp_path}/e")
    assert sent["data"] == {"A": "1=2", "B": '"q"', "FROM_HERE": "yes"}


def test_secrets_come_in_three_kinds(server: PreparedServer, cli: Cli) -> None:
    sent = created(server, cli, "secrets", "secret", "generic", "s", "--from-literal=a=1", "--type=t")
    assert (sent["data"], sent["type"]) == ({"a": "MQ=="}, "t")
    login = ["--docker-username=u", "--docker-password=p", "--docker-server=r.example"]
    sent = created(server, cli, "secrets", "secret", "docker-registry", "s", *login)
    assert sent["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(base64.b64decode(sent["data"][".dockerconfigjson"])) == {
        "auths": {"r.example": {"username": "u", "password": "p", "auth": "dTpw"}}
    }


def test_a_dry_run_of_the_client_sends_nothing_and_shows_all(server: PreparedServer, cli: Cli) -> None:
    run = cli("create", "ns", "n", "--dry-run=client", "-o", "yaml")
    assert run.out == "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n"
    assert cli("create", "-n", "x", "sa", "n", "--dry-run", "-o", "jsonpath={.metadata.namespace}").out == "x"
    assert cli("create", "sa", "n", "--dry-run=client").out == "serviceaccount/n created (dry run)\n"
    assert server.asked == []


def test_manifests_are_decoded_by_the_server_and_created_one_by_one(
    server: PreparedServer, cli: Cli, tmp_path: Path
) -> None:
    one = {"kind": "ConfigMap", "namespace": "default", "name": "c", "object": {"metadata": {"name": "c"}}}
    server.answer("POST /podrun/v1/decode", {"results": [one, {**one, "name": "d"}]})
    server.refuse(f"POST {BASE}/configmaps", 409, "AlreadyExists", 'configmaps "c" already exists')
    server.answer(f"POST {BASE}/configmaps", {"metadata": {}})
    path = tmp_path / "c.yaml"
    path.write_text("kind: ConfigMap\n")
    run = cli("create", "-f", str(path))
    said = f'Error from server (AlreadyExists): error when creating "{path}": configmaps "c" already exists\n'
    assert (run.code, run.out, run.err) == (1, "configmap/d created\n", said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "error: must specify one of -f and -k"),
        (["foo"], "error: Unexpected args: [foo]"),
        (["cm"], "error: exactly one NAME is required, got 0"),
        (["cm", "x", "--from-literal=a"], "error: invalid literal source a, expected key=value"),
        (
            ["cm", "x", "--from-literal=a=1", "--from-literal=a=2"],
            'error: cannot add key "a", another key by that name',
        ),
        (["cm", "x", "--from-file=/nowhere"], "error: error reading /nowhere: no such file or directory"),
        (["cm", "x", "--from-literal=a/b=1"], 'error: "a/b" is not a valid key name for a ConfigMap'),
        (["secret", "tls", "x", "--cert=c"], "error: key and cert must be specified"),
        (
            ["secret", "tls", "x", "--cert=/dev/null", "--key=/dev/null"],
            "error: failed to load key pair tls: failed to find any PEM data in certificate input",
        ),
        (
            ["cm", "x", "--dry-run=maybe"],
            'error: Invalid dry-run value (maybe). Must be "none", "server", or "client".',
        ),
        (["-k", "dir"], "error: cannot read a kustomization: podrun has no kustomize"),
    ],
)
def test_what_cannot_be_created_is_an_error(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli("create", *arguments)
    assert run.code == 1
    assert run.err.startswith(said)
