"""`podrun wait`: what can be waited for, and what is said."""

from __future__ import annotations

import pytest

from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import HANG_UP, PreparedServer

PODS = "/api/v1/namespaces/default/pods"
MET = "pod/web condition met\n"


def ready(status: str = "True", **fields: object) -> dict[str, object]:
    return pod(phase="Running", podIP="10.0.0.2", conditions=[{"type": "Ready", "status": status, **fields}])


@pytest.mark.parametrize(
    "wish",
    [
        "condition=Ready",
        "condition=ready=TRUE",
        "jsonpath={.status.phase}=Running",
        "jsonpath=.status.phase=Running",
        "jsonpath={.status.podIP}",
        "jsonpath={.status.conditions[?(@.type=='Ready')].status}=True",
        "create",
    ],
)
def test_what_holds_already_is_not_waited_for(server: PreparedServer, cli: Cli, wish: str) -> None:
    server.answer(f"GET {PODS}/web", ready())
    server.answer(f"GET {PODS}", pod_list(ready()))
    run = cli("wait", "pod/web", f"--for={wish}")
    assert (run.code, run.out, run.err) == (0, MET, "")


def test_a_change_ends_the_waiting(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", ready("False"))
    server.answer(f"GET {PODS}", pod_list(ready("False")))
    server.watch(PODS, ("MODIFIED", ready("False")), ("MODIFIED", ready()))
    assert cli("wait", "pod", "web", "--for=condition=Ready").out == MET


def test_a_condition_of_an_older_generation_does_not_count(server: PreparedServer, cli: Cli) -> None:
    old = ready(observedGeneration=1)
    old["metadata"] = {"name": "web", "uid": "u1", "generation": 2}
    server.answer(f"GET {PODS}/web", old)
    server.answer(f"GET {PODS}", pod_list(old))
    run = cli("wait", "pod/web", "--for=condition=Ready", "--timeout=0")
    assert (run.code, run.err) == (1, "error: condition not met for pods/web\n")


def test_gone_is_gone_and_coming_is_waited_for(server: PreparedServer, cli: Cli) -> None:
    server.refuse(f"GET {PODS}/web", 404, "NotFound", 'pods "web" not found')
    assert cli("wait", "pod/web", "--for=delete").code == 0
    server.answer(f"GET {PODS}", pod_list())
    server.watch(PODS, ("ADDED", ready()))
    assert cli("wait", "pod/web", "--for=create").out == MET


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pod/web"], 'error: unrecognized condition: ""\n'),
        (["pod/web", "--for=nope"], 'error: unrecognized condition: "nope"\n'),
        (["pod/web", "--for=jsonpath={.status}=1"], "error: jsonpath leads to a nested object or list"),
        (["pod/web", "--for=condition=Other", "--timeout=0"], "error: condition not met for pods/web\n"),
        (
            ["pod/web", "--for=condition=Other", "--timeout=50ms"],
            "error: timed out waiting for the condition on pods/web",
        ),
        (["pod/web", "--for=delete", "--timeout=50ms"], "error: timed out waiting for the condition on pods/web\n"),
        (["pods", "-l", "a=b", "--for=condition=Ready"], "error: no matching resources found\n"),
        (["pod/other", "--for=condition=Ready"], 'Error from server (NotFound): pods "other" not found\n'),
        (["pods", "--for=condition=Ready"], "error: resource(s) were provided, but no name was specified\n"),
    ],
)
def test_what_is_not_met_is_said(server: PreparedServer, cli: Cli, arguments: list[str], said: str) -> None:
    server.answer(f"GET {PODS}/web", ready())
    server.refuse(f"GET {PODS}/other", 404, "NotFound", 'pods "other" not found')
    server.answer(f"GET {PODS}", pod_list() if "-l" in arguments else pod_list(ready()))
    server.watch(PODS)
    run = cli("wait", *arguments)
    assert run.code == 1
    assert run.err.startswith(said)


def test_who_is_late_does_not_hide_how_the_others_are(server: PreparedServer, cli: Cli) -> None:
    for name in ("a", "b"):
        server.answer(f"GET {PODS}/{name}", pod(name))
    server.answer(f"GET {PODS}", pod_list({**ready("False"), "metadata": pod("a")["metadata"]}))
    server.answer(f"GET {PODS}", pod_list({**ready(), "metadata": pod("b")["metadata"]}))
    server.watch(PODS)
    run = cli("wait", "pod/a", "pod/b", "--for=condition=Ready", "--timeout=1ns")
    assert (run.out, run.code) == ("pod/b condition met\n", 1)
    assert run.err == "error: timed out waiting for the condition on pods/a\n"


def test_waiting_goes_on_with_the_next_kubelet(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}/web", b"", HANG_UP)
    server.answer(f"GET {PODS}/web", ready("False"))
    server.answer(f"GET {PODS}", pod_list(ready("False")))
    server.answer(f"WATCH {PODS}", b"", HANG_UP)
    server.watch(PODS, ("MODIFIED", ready()))
    run = cli("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    assert (run.out, run.err, run.code) == ("pod/web condition met\n", "", 0)
