"""`podrun run`: the pod that it makes, what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.fakes.cli_runs import Cli, pod
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"


def test_a_manifest_is_printed_without_a_server(cli: Cli) -> None:
    run = cli("run", "web", "--image=web:1", "--dry-run=client", "-o", "yaml")
    assert run.code == 0
    assert (
        run.out
        == """apiVersion: v1
kind: Pod
metadata:
  labels:
    run: web
  name: web
spec:
  containers:
  - image: web:1
    name: web
    resources: {}
  dnsPolicy: ClusterFirst
  restartPolicy: Always
status: {}
"""
    )


def test_options_become_fields(cli: Cli) -> None:
    options = ("--env=A=1", "--env=B=x=y", "-l", "a=b,c=d", "--port=80", "--restart=Never", "--annotations=k=v")
    more = ("--image-pull-policy=Never", "--privileged", "--command", "-n", "ns", "--dry-run=client", "-o", "json")
    run = cli("run", "web", "--image=r.example:5000/web@sha256:" + "a" * 64, *options, *more, "--", "sh", "-c", "x y")
    shown = json.loads(run.out)
    assert shown["metadata"] == {
        "name": "web",
        "namespace": "ns",
        "labels": {"a": "b", "c": "d"},
        "annotations": {"k": "v"},
    }
    assert shown["spec"]["restartPolicy"] == "Never"
    assert shown["spec"]["containers"] == [
        {
            "name": "web",
            "image": "r.example:5000/web@sha256:" + "a" * 64,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", "x y"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}],
            "ports": [{"containerPort": 80}],
            "securityContext": {"privileged": True},
            "resources": {},
        }
    ]


def test_without_i_a_pod_is_made_and_named(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"POST {PODS}", pod("web"))
    assert cli("run", "web", "--image=web").out == "pod/web created\n"
    assert cli("run", "web", "--image=web", "-o", "name").out == "pod/web\n"
    assert cli("run", "web", "--image=web", "--dry-run=server").out == "pod/web created (server dry run)\n"
    assert server.asked[-1].query == {"dryRun": ["All"]}
    sent = json.loads(server.asked[0].body)
    assert sent["spec"]["containers"][0].get("stdin") is None


@pytest.mark.parametrize(
    ("how", "overrides", "names"),
    [
        ("merge", {"spec": {"hostname": "h", "containers": [{"name": "b"}]}}, ["b"]),
        ("strategic", {"spec": {"hostname": "h", "containers": [{"name": "b"}]}}, ["b", "web"]),
        ("json", [{"op": "add", "path": "/spec/hostname", "value": "h"}], ["web"]),
    ],
)
def test_overrides_change_any_field_of_the_pod(cli: Cli, how: str, overrides: object, names: list[str]) -> None:
    options = (f"--overrides={json.dumps(overrides)}", f"--override-type={how}", "--dry-run=client", "-o", "json")
    shown = json.loads(cli("run", "web", "--image=i", *options).out)
    assert shown["spec"]["hostname"] == "h"
    assert sorted(one["name"] for one in shown["spec"]["containers"]) == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "error: NAME is required for run\n"),
        (("--image=i", "--", "sh"), "error: NAME is required for run\n"),
        (("web",), 'error: required flag(s) "image" not set\n'),
        (("web", "--image=A B"), 'error: Invalid image name "A B": invalid reference format\n'),
        (("web", "--image=i", "-t"), "error: -i/--stdin is required for containers with -t/--tty=true\n"),
        (("web", "--image=i", "--port=x"), "error: --port must be a number\n"),
        (("web", "--image=i", "--rm"), "error: --rm should only be used for attached containers\n"),
        (("web", "--image=i", "--env=X"), "error: invalid env: X\n"),
        (("web", "--image=i", "-l", "x"), "error: unexpected label spec: x\n"),
        (("web", "--image=i", "--restart=no"), "error: invalid restart policy: no, valid values are: Always, OnFail"),
        (
            ("web", "--image=i", "-i", "--dry-run=client"),
            "error: --dry-run=[server|client] can't be used with",
        ),
        (("web", "--image=i", "--expose", "--port=80"), "error: cannot expose the pod: podrun has no Services\n"),
        (("web", "--image=i", "--overrides={spec: {}}"), "error: Invalid JSON Patch\n"),
        (("web", "--image=i", "--overrides=[]"), "error: Invalid JSON Patch\n"),
        (("web", "--image=i", "--overrides={}", "--override-type=x"), "error: invalid override type: x\n"),
        (("web", "--image=i", '--overrides={"kind":"Node"}'), "error: the overrides must leave it a Pod of"),
        (
            ("web", "--image=i", '--overrides={"spec":null}'),
            "error: the overrides must leave the Pod its metadata.name",
        ),
        (
            ("web", "--image=i", "--override-type=json", '--overrides=[{"op":"remove","path":"/x"}]'),
            "error: unable to find /x\n",
        ),
        (("web", "--image=i", "-i", "--detach-keys=ctrl-?"), "error: could not bind detach keys: Unknown character"),
    ],
)
def test_unclear_wishes_are_refused_in_kubectls_words(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    run = cli("run", *arguments)
    assert run.code == 1
    assert run.err.startswith(said)
