"""`podrun get`: tables, names, YAML and JSON as kubectl prints them."""

from __future__ import annotations

import json

import pytest

from tests.fakes.cli_runs import Cli, pod, pod_list, pod_table
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"
ROW = ("web", "1/1", "Running", 0, "5s", "10.0.0.2")

FORBIDDEN = ("ERROR", {"kind": "Status", "reason": "Forbidden", "message": "no more"})

NARROW = """\
NAME   READY   STATUS    RESTARTS   AGE
web    1/1     Running   0          5s
"""


def versioned(name: str, version: int) -> dict[str, object]:
    one = pod(name, uid=f"u-{name}")
    metadata = {"name": name, "namespace": "default", "uid": f"u-{name}", "resourceVersion": str(version)}
    return {**one, "metadata": metadata}


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["pods"], NARROW),
        (["po"], NARROW),
        (["pod", "-n", "default"], NARROW),
        (["pods", "-o", "wide"], NARROW.replace("AGE\n", "AGE   IP\n").replace("5s\n", "5s    10.0.0.2\n")),
        (["pods", "-o=wide"], NARROW.replace("AGE\n", "AGE   IP\n").replace("5s\n", "5s    10.0.0.2\n")),
        (["pods", "--no-headers"], "web   1/1   Running   0     5s\n"),
        (["pods", "--no-headers=false"], NARROW),
        (["pods", "-oname"], "pod/web\n"),
        (["pods", "--show-labels"], NARROW.replace("AGE\n", "AGE   LABELS\n").replace("5s\n", "5s    app=web\n")),
    ],
)
def test_a_list_is_a_table_with_kubectls_columns(
    server: PreparedServer, cli: Cli, arguments: list[str], printed: str
) -> None:
    server.answer(f"GET {PODS}", pod_table(ROW))
    run = cli("get", *arguments)
    assert (run.out, run.err, run.code) == (printed, "", 0)


def test_all_namespaces_come_with_a_column_of_their_own(server: PreparedServer, cli: Cli) -> None:
    server.answer("GET /api/v1/pods", pod_table(ROW))
    assert cli("get", "pods", "-A").out.splitlines()[1] == "default     web    1/1     Running   0          5s"


def test_the_namespace_may_stand_before_the_verb(server: PreparedServer, cli: Cli) -> None:
    server.answer("GET /api/v1/namespaces/other/pods", pod_table(ROW))
    assert cli("-n", "other", "get", "pods").out == NARROW


def test_selectors_are_sent_encoded(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_table(ROW))
    cli("get", "pods", "-l", "app in (a,b),x!=y", "--field-selector", "status.phase=Running")
    assert server.asked[0].query == {
        "labelSelector": ["app in (a,b),x!=y"],
        "fieldSelector": ["status.phase=Running"],
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pods"], "No resources found in default namespace.\n"),
        (["pods", "-n", "other"], "No resources found in other namespace.\n"),
        (["pods", "-A"], "No resources found\n"),
    ],
)
def test_an_empty_list_is_said_on_stderr(server: PreparedServer, cli: Cli, arguments: list[str], said: str) -> None:
    for path in (PODS, "/api/v1/pods", "/api/v1/namespaces/other/pods"):
        server.answer(f"GET {path}", pod_table())
    run = cli("get", *arguments)
    assert (run.out, run.err, run.code) == ("", said, 0)


def test_names_that_are_not_there_are_said_and_the_others_shown(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", pod_table(ROW))
    server.refuse(f"GET {PODS}/nope", 404, "NotFound", 'pods "nope" not found')
    run = cli("get", "pod", "nope", "web")
    assert (run.out, run.err, run.code) == (NARROW, 'Error from server (NotFound): pods "nope" not found\n', 1)


def test_type_and_name_may_be_one_word(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", pod_table(ROW))
    assert cli("get", "po/web").out == NARROW


def test_yaml_is_sorted_quoted_and_unindented_as_kubectls(server: PreparedServer, cli: Cli) -> None:
    text = {"kind": "Pod", "b": ["1", True, "yes", None], "a": "x\ny\n", "t": "2026-01-02T03:04:05Z", "e": {}}
    server.answer(f"GET {PODS}/web", text)
    assert cli("get", "pod", "web", "-o", "yaml").out == (
        'a: |\n  x\n  y\nb:\n- "1"\n- true\n- "yes"\n- null\ne: {}\nkind: Pod\nt: "2026-01-02T03:04:05Z"\n'
    )


def test_a_list_as_json_names_the_kind_of_every_item(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_list(pod("a"), pod("b")))
    found = json.loads(cli("get", "pods", "-o", "json").out)
    assert (found["kind"], [item["kind"] for item in found["items"]]) == ("List", ["Pod", "Pod"])
    assert found["metadata"] == {"resourceVersion": ""}


def test_a_watch_goes_on_below_the_table(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_table(ROW))
    server.watch(PODS, ("MODIFIED", pod_table(("web", "0/1", "Terminating", 0, "6s", ""))), FORBIDDEN)
    run = cli("get", "pods", "-w")
    assert run.out == NARROW + "web    0/1     Terminating   0          6s\n"
    assert server.asked[1].query["resourceVersion"] == ["7"]
    assert (run.err, run.code) == ("Error from server (Forbidden): no more\n", 1)


@pytest.mark.parametrize("lost", [(), (("ERROR", {"kind": "Status", "reason": "Expired"}),)])
def test_a_watch_shows_what_changed_until_the_next_kubelet(
    server: PreparedServer, cli: Cli, lost: tuple[tuple[str, object], ...]
) -> None:
    server.answer(f"GET {PODS}", pod_list(versioned("a", 1), versioned("b", 2), versioned("c", 3)))
    server.watch(
        PODS, ("MODIFIED", versioned("a", 4)), ("ADDED", versioned("d", 5)), ("DELETED", versioned("c", 6)), *lost
    )
    server.answer(f"GET {PODS}", pod_list(versioned("a", 7), versioned("d", 5), versioned("e", 8)))
    server.watch(PODS, ("MODIFIED", versioned("d", 9)), FORBIDDEN)
    run = cli("get", "pods", "-w", "-o", "jsonpath={.metadata.name}{.metadata.resourceVersion} ")
    assert run.out.split() == ["a1", "b2", "c3", "a4", "d5", "c6", "b2", "a7", "e8", "d9"]
    assert server.asked[-1].query["resourceVersion"] == ["7"]


def test_a_watch_can_say_what_happened(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_table(ROW))
    server.watch(PODS, ("DELETED", pod_table(("web", "0/1", "Terminating", 0, "6s", ""))), FORBIDDEN)
    run = cli("get", "pods", "-w", "--output-watch-events", "--no-headers")
    assert [line.split()[:4] for line in run.out.splitlines()] == [
        ["ADDED", "web", "1/1", "Running"],
        ["DELETED", "web", "0/1", "Terminating"],
    ]


def test_a_watch_of_objects_can_say_what_happened(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_list())
    server.watch(PODS, ("ADDED", pod("web")), FORBIDDEN)
    run = cli("get", "pods", "-w", "--output-watch-events", "-o", "json")
    assert json.loads(run.out) == {"type": "ADDED", "object": pod("web")}
    assert run.out.count("\n") == 1


def test_a_watch_ends_where_no_kubelet_comes_back(
    server: PreparedServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podrun.cli.watching.PATIENCE", 0.0)
    monkeypatch.setattr("podrun.cli.watching.time.sleep", lambda _: server.socket.unlink())
    server.answer(f"GET {PODS}", pod_table(ROW))
    server.watch(PODS, ("BOOKMARK", {}))
    run = cli("get", "pods", "-w")
    assert (run.out, run.code) == (NARROW, 1)
    assert run.err.startswith("error: cannot reach the kubelet: it is not running\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["foo"], 'error: the server doesn\'t have a resource type "foo"'),
        (["pod", "a", "pod/b"], "error: there is no need to specify a resource type as a separate argument"),
        (["pod/"], "error: arguments in resource/name form must have a single resource and name"),
        (["pod", "a", "-A"], "error: a resource cannot be retrieved by name across all namespaces"),
        (["pod", "a", "-l", "b=c"], "error: name cannot be provided when a selector is specified"),
        (["pods", "-o", "xml"], 'error: unable to match a printer suitable for the output format "xml"'),
        (["pod/a/b"], "error: arguments in resource/name form may not have more than one slash"),
        (["pods", "--output-watch-events"], "error: --output-watch-events option can only be used with --watch or"),
        ([], "You must specify the type of resource to get. Use"),
    ],
)
def test_what_cannot_be_asked_is_an_error_in_kubectls_words(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli("get", *arguments)
    assert run.code == 1
    assert run.err.startswith(said)
