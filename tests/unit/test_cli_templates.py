"""-o jsonpath, custom-columns and --sort-by beside what kubectl printed for the same objects (in golden/)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podrun.cli import jsonpath
from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden").joinpath("kubectl_output.json").read_text())
PODS = "/api/v1/namespaces/default/pods"
TABLE = {
    "kind": "Table",
    "metadata": {"resourceVersion": "7"},
    "columnDefinitions": [{"name": "Name", "type": "string"}],
    "rows": [{"cells": [one["metadata"]["name"]], "object": one} for one in GOLDEN["pods"]],
}


@pytest.fixture
def pods(server: PreparedServer) -> PreparedServer:
    server.answer(f"GET {PODS}", {**pod_list(), "items": GOLDEN["pods"]})
    return server


@pytest.mark.parametrize("case", GOLDEN["jsonpath"], ids=lambda case: case["template"])
def test_jsonpath_prints_what_kubectl_prints(pods: PreparedServer, cli: Cli, case: dict[str, str]) -> None:
    run = cli("get", "pods", "-o", f"jsonpath={case['template']}")
    assert (run.out, run.err.strip()) == (case["out"], case["err"])


@pytest.mark.parametrize("case", GOLDEN["columns"], ids=lambda case: case["spec"])
def test_custom_columns_print_what_kubectl_prints(pods: PreparedServer, cli: Cli, case: dict[str, str]) -> None:
    run = cli("get", "pods", "-o", f"custom-columns={case['spec']}")
    assert (run.out, run.err.strip()) == (case["out"], case["err"])


@pytest.mark.parametrize("case", GOLDEN["sort"], ids=lambda case: case["path"])
def test_sort_by_sorts_as_kubectl_sorts(server: PreparedServer, cli: Cli, case: dict[str, str]) -> None:
    server.answer(f"GET {PODS}", TABLE)
    run = cli("get", "pods", "-o", "name", "--sort-by", case["path"])
    assert (run.out, run.err.strip()) == (case["out"], case["err"])
    assert server.asked[0].query.get("includeObject") == ["Object"]


def test_a_single_object_is_not_wrapped_in_a_list(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", pod())
    assert cli("get", "pod", "web", "-o=jsonpath={.kind} {.metadata.name}").out == "Pod web"
    assert cli("get", "pod", "web", "-o=jsonpath-as-json={.metadata.name}").out == '[\n    "web"\n]\n'


def test_templates_may_stand_in_files(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    server.answer(f"GET {PODS}/web", pod())
    (tmp_path / "path").write_text("{.kind}\n")
    (tmp_path / "columns").write_text("NAME  NS\nmetadata.name .metadata.namespace\n")
    assert cli("get", "pod", "web", "-o", f"jsonpath-file={tmp_path}/path").out == "Pod\n"
    assert (
        cli("get", "pod", "web", "-o", f"custom-columns-file={tmp_path}/columns").out == "NAME   NS\nweb    default\n"
    )
    assert cli("get", "pod", "web", "-o", f"custom-columns-file={tmp_path}/columns", "--no-headers").out == (
        "web   default\n"
    )
    assert "No such file" in cli("get", "pod", "web", "-o", "jsonpath-file=/nowhere").err


def test_go_templates_are_refused_by_name(cli: Cli) -> None:
    run = cli("get", "pods", "-o", "go-template={{.kind}}")
    assert (run.code, run.err.splitlines()[0]) == (
        1,
        "error: cannot print with -o go-template: podrun is not written in Go and has no Go templates",
    )


def test_a_relaxed_path_may_leave_out_braces_and_dot() -> None:
    for text in ("a.b", ".a.b", "{a.b}", "{.a.b}"):
        assert jsonpath.compile_relaxed(text).find({"a": {"b": 1}}) == [[1]]
