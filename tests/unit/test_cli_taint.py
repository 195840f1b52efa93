"""`podrun taint`, `cordon` and `uncordon`: what becomes of the node, and what is refused."""

from __future__ import annotations

import json

import pytest

from podrun.cli import taints
from podrun.errors import PodrunError
from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer

NODE = "/api/v1/nodes/vm"
DB = {"key": "for", "value": "db", "effect": "NoSchedule"}
OLD = {"key": "old", "effect": "NoExecute"}


def node(**spec: object) -> dict[str, object]:
    metadata = {"name": "vm", "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("known", "words", "overwrite", "after", "said"),
    [
        ([], ["for=db:NoSchedule"], False, [DB], "tainted"),
        ([], ["old:NoExecute"], False, [OLD], "tainted"),
        ([OLD], ["for=db:NoSchedule"], False, [OLD, DB], "tainted"),
        ([{**DB, "value": "web"}], ["for=db:NoSchedule"], True, [DB], "modified"),
        ([OLD], ["for=db:NoSchedule", "old-"], False, [DB], "modified"),
        ([DB, OLD], ["for:NoSchedule-"], False, [OLD], "untainted"),
        ([DB, {**DB, "effect": "NoExecute"}], ["for-"], False, [], "untainted"),
        ([DB], ["for=db:NoSchedule-"], False, [], "untainted"),
    ],
)
def test_taints_come_and_go(
    known: list[taints.Taint], words: list[str], overwrite: bool, after: list[taints.Taint], said: str
) -> None:
    assert taints.changed("vm", known, taints.read(words), overwrite=overwrite) == (after, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "at least one taint update is required"),
        (["a=b"], "invalid taint spec: a=b"),
        (["=b:NoSchedule"], "invalid taint spec: =b:NoSchedule"),
        (["a=b=c:NoSchedule"], "invalid taint spec: a=b=c:NoSchedule"),
        (["a:b:NoSchedule"], "invalid taint spec: a:b:NoSchedule"),
        (["a=b:Never"], "invalid taint effect: Never, unsupported taint effect"),
        (["a:Never-"], "invalid taint effect: Never, unsupported taint effect"),
        (["a=1:NoSchedule", "a=2:NoSchedule"], "duplicated taints with the same key and effect: a:NoSchedule"),
        (["a=1:NoSchedule", "a-"], "can not both modify and remove the following taint(s) in the same command: a"),
        (["for=x:NoSchedule"], "node vm already has a taint(s) with same effect(s) and --overwrite is false"),
        (["nope-"], 'taint "nope" not found'),
        (["for:NoExecute-"], 'taint "for:NoExecute" not found'),
    ],
)
def test_what_cannot_be_tainted_is_refused_in_kubectls_words(words: list[str], said: str) -> None:
    with pytest.raises(PodrunError) as refused:
        taints.changed("vm", [DB], taints.read(words), overwrite=False)
    assert refused.value.message == said


def test_taint_sends_the_whole_list_with_the_version_it_has_seen(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {NODE}", node(taints=[OLD]))
    server.answer(f"PATCH {NODE}", node(taints=[OLD, DB]))
    run = cli("taint", "nodes", "vm", "for=db:NoSchedule")
    assert (run.out, run.err, run.code) == ("node/vm tainted\n", "", 0)
    patch = {"metadata": {"resourceVersion": "7"}, "spec": {"taints": [OLD, DB]}}
    assert json.loads(server.asked[-1].body) == patch


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["taint"], "error: one or more resources must be specified as <resource> <name>\n"),
        (["taint", "node", "vm"], "error: at least one taint update is required\n"),
        (["taint", "pod", "a", "b:NoSchedule"], "error: invalid resource type pod, only node types are supported\n"),
        (["cordon"], "error: USAGE: cordon NODE [flags]\nSee 'podrun cordon -h' for help and examples\n"),
        (["uncordon", "vm", "-l", "a=b"], "error: cannot specify both a node name and a --selector option\n"),
    ],
)
def test_unclear_wishes_about_nodes_are_refused(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli(*arguments)
    assert run.code == 1
    assert run.err.startswith(said)


@pytest.mark.parametrize(("verb", "before", "sent"), [("cordon", False, True), ("uncordon", True, None)])
def test_cordon_and_uncordon(server: PreparedServer, cli: Cli, verb: str, before: bool, sent: bool | None) -> None:
    server.answer(f"GET {NODE}", node(unschedulable=before))
    server.answer(f"PATCH {NODE}", node())
    assert cli(verb, "vm", "--dry-run=client").out == f"node/vm {verb}ed (dry run)\n"
    assert len(server.asked) == 1
    assert cli(verb, "node/vm").out == f"node/vm {verb}ed\n"
    assert json.loads(server.asked[-1].body) == {"spec": {"unschedulable": sent}}


@pytest.mark.parametrize(("verb", "before"), [("cordon", True), ("uncordon", False)])
def test_what_is_so_already_is_not_sent(server: PreparedServer, cli: Cli, verb: str, before: bool) -> None:
    server.answer(f"GET {NODE}", node(unschedulable=before))
    assert cli(verb, "vm").out == f"node/vm already {verb}ed\n"
    assert len(server.asked) == 1
