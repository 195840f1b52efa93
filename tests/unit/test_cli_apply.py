"""`podrun apply` and `podrun delete`: manifests sent as they are, results and refusals in kubectl's words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from podrun.cli import manifests, readiness
from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer, status

APPLY = "PATCH /podrun/v1/apply"
PODS = "/api/v1/namespaces/default/pods"


def result(name: str, word: str | None = "created", **more: object) -> dict[str, object]:
    return {"kind": "Pod", "namespace": "default", "name": name, "result": word, "object": pod(name), **more}


def cause(field: str, message: str, reason: str = "FieldValueInvalid") -> dict[str, str]:
    return {"field": field, "message": message, "reason": reason}


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\n")
    return str(path)


def test_every_object_gets_a_line(server: PreparedServer, cli: Cli, manifest: str) -> None:
    words = ("created", "configured", "unchanged")
    server.answer(APPLY, {"results": [result(f"p{at}", word) for at, word in enumerate(words)]})
    run = cli("apply", "-f", manifest)
    assert (run.out, run.err, run.code) == ("pod/p0 created\npod/p1 configured\npod/p2 unchanged\n", "", 0)
    (asked,) = server.asked
    assert asked.body == b"kind: Pod\n"
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
    assert asked.query == {}


def test_the_namespace_is_sent_only_if_it_was_given(server: PreparedServer, cli: Cli, manifest: str) -> None:
    server.answer(APPLY, {"results": [result("web")]})
    cli("apply", manifest, "-n", "other")
    assert server.asked[0].query == {"namespace": ["other"]}


@pytest.mark.parametrize(
    ("causes", "said"),
    [
        ([cause("spec.a", "Required value")], 'The Pod "web" is invalid: spec.a: Required value\n'),
        (
            [cause("spec.a", "Required value"), cause("spec.b", "Too long"), cause("spec.b", "Too long")],
            'The Pod "web" is invalid: \n* spec.a: Required value\n* spec.b: Too long\n',
        ),
        (
            [cause("spec.a", "Forbidden: no"), cause("", "wait for it", "Hint")],
            'The Pod "web" is invalid: spec.a: Forbidden: no\nhint: wait for it\n',
        ),
    ],
)
def test_an_invalid_object_is_said_field_by_field(
    server: PreparedServer, cli: Cli, manifest: str, causes: list[dict[str, str]], said: str
) -> None:
    refusal = status(422, "Invalid", "Pod is invalid", kind="Pod", name="web", causes=causes)
    server.answer(APPLY, {"results": [result("web", None, error=refusal)]})
    run = cli("apply", "-f", manifest)
    assert (run.out, run.err, run.code) == ("", said, 1)


def test_a_refused_file_is_named_and_the_next_one_is_still_applied(
    server: PreparedServer, cli: Cli, manifest: str
) -> None:
    server.refuse(APPLY, 400, "BadRequest", "yaml: line 3: did not find expected key")
    server.answer(APPLY, {"results": [result("web")]})
    run = cli("apply", "-f", manifest, "-f", manifest)
    assert run.out == "pod/web created\n"
    assert run.err == (
        f'Error from server (BadRequest): error when creating "{manifest}": yaml: line 3: did not find expected key\n'
    )
    assert run.code == 1


def test_a_directory_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.yml", "a.json", "c.yaml", "d.txt", "below/0.yaml"):
        (tmp_path / name).write_text(name)

    def names(*, recursive: bool) -> list[str]:
        return [one.content.decode() for one in manifests.read([str(tmp_path)], recursive=recursive)]

    assert names(recursive=False) == ["a.json", "b.yml", "c.yaml"]
    assert names(recursive=True) == ["a.json", "b.yml", "below/0.yaml", "c.yaml"]


def test_standard_input_is_a_manifest_called_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"kind: Pod")))
    assert list(manifests.read(["-"], recursive=False)) == [manifests.Manifest("STDIN", b"kind: Pod")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, 'error: the path "{path}" does not exist\n'),
        (b"", "error: no objects passed to apply\n"),
        (b" \n\n", "error: no objects passed to apply\n"),
        (b"#" * (manifests.LIMIT + 1), 'error: the manifest "{path}" is too large: the limit is 3145728 bytes\n'),
    ],
)
def test_what_cannot_be_a_manifest_is_not_sent(
    server: PreparedServer, cli: Cli, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    run = cli("apply", "-f", str(path))
    assert (run.out, run.err, run.code) == ("", said.format(path=path), 1)
    assert server.asked == []


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def container(name: str = "app", **state: object) -> dict[str, object]:
    return {"name": name, "ready": False, "state": state}


@pytest.mark.parametrize(
    ("state", "policy", "expected"),
    [
        (READY, "Always", ("good", "ready")),
        ({"phase": "Succeeded"}, "Never", ("good", "succeeded")),
        (
            {"phase": "Failed", "containerStatuses": [container(terminated={"reason": "Error", "exitCode": 3})]},
            "Never",
            ("failed", 'failed: container "app": Error, exit code 3'),
        ),
        (
            {"containerStatuses": [container(waiting={"reason": "ErrImageNeverPull", "message": "not there"})]},
            "Always",
            ("failed", 'container "app": ErrImageNeverPull: not there'),
        ),
        (
            {"containerStatuses": [container(terminated={"reason": "StartError", "exitCode": 128})]},
            "Never",
            ("failed", 'container "app": StartError, exit code 128'),
        ),
        (
            {"containerStatuses": [container(terminated={"reason": "StartError", "exitCode": 128})]},
            "Always",
            ("waiting", "Pending: 0 of 1 containers ready"),
        ),
        (
            {"containerStatuses": [container(waiting={"reason": "CrashLoopBackOff"})]},
            "Always",
            ("waiting", "Pending: 0 of 1 containers ready (app: CrashLoopBackOff)"),
        ),
        ({}, "Always", ("waiting", "Pending")),
    ],
)
def test_the_outlook_of_a_pod_is_good_open_or_hopeless(
    state: dict[str, Any], policy: str, expected: tuple[str, str]
) -> None:
    one = pod(**state)
    one["spec"]["restartPolicy"] = policy  # type: ignore[index]
    assert readiness.outlook(one) == expected


def test_wait_follows_the_pod_until_it_is_ready(server: PreparedServer, cli: Cli, manifest: str) -> None:
    server.answer(APPLY, {"results": [result("web")]})
    server.watch("/api/v1/pods", ("MODIFIED", pod("other")), ("MODIFIED", pod("web", **READY)))
    run = cli("apply", "--wait", manifest)
    assert (run.out, run.err, run.code) == ("pod/web created\n", "pod/web: Pending\npod/web: ready\n", 0)
    assert [(one.method, one.query.get("resourceVersion")) for one in server.asked] == [("PATCH", None), ("GET", ["5"])]


def test_wait_lists_when_the_pod_was_applied_too_long_ago(server: PreparedServer, cli: Cli, manifest: str) -> None:
    server.answer(APPLY, {"results": [result("web")]})
    server.watch("/api/v1/pods", ("ERROR", {"kind": "Status", "reason": "Expired"}))
    server.answer("GET /api/v1/pods", pod_list(pod("web", **READY)))
    run = cli("apply", "--wait", manifest)
    assert (run.err, run.code) == ("pod/web: Pending\npod/web: ready\n", 0)


def test_wait_ends_at_once_for_what_cannot_heal(server: PreparedServer, cli: Cli, manifest: str) -> None:
    server.answer(APPLY, {"results": [result("web")]})
    broken = container(waiting={"reason": "InvalidImageName"})
    server.watch("/api/v1/pods", ("MODIFIED", pod("web", containerStatuses=[broken])))
    run = cli("apply", "--wait", manifest)
    expected = 'pod/web: Pending\nerror: pod/web can\'t become ready: container "app": InvalidImageName\n'
    assert (run.err, run.code) == (expected, 1)


def test_wait_gives_up_when_its_time_is_over(server: PreparedServer, cli: Cli, manifest: str) -> None:
    server.answer(APPLY, {"results": [result("web")]})
    server.answer("GET /api/v1/pods", pod_list(pod("web")))
    server.watch("/api/v1/pods")
    run = cli("apply", "--wait", "--timeout=1ms", manifest)
    assert run.err.endswith("error: timed out waiting for the condition on pods/web\nhint: podrun describe pod web\n")
    assert run.code == 1


def test_delete_waits_until_the_pod_with_this_uid_is_gone(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"DELETE {PODS}/web", pod("web", "u1"))
    server.answer(f"GET {PODS}", pod_list(pod("web", "u1")))
    server.watch(PODS, ("DELETED", pod("web", "u0")), ("DELETED", pod("web", "u1")))
    run = cli("delete", "pod", "web")
    assert (run.out, run.err, run.code) == ('pod "web" deleted\n', "", 0)
    assert [one.method for one in server.asked] == ["DELETE", "GET", "GET"]


@pytest.mark.parametrize(
    ("flags", "seconds", "word"),
    [
        ([], None, "deleted"),
        (["--now"], "1", "deleted"),
        (["--grace-period=7"], "7", "deleted"),
        (["--grace-period=0"], "1", "deleted"),
        (["--force"], "0", "force deleted"),
        (["--force", "--grace-period=0"], "0", "force deleted"),
    ],
)
def test_flags_decide_the_grace_period(
    server: PreparedServer, cli: Cli, flags: list[str], seconds: str | None, word: str
) -> None:
    server.answer(f"DELETE {PODS}/web", pod("web"))
    run = cli("delete", "pod/web", "--wait=false", *flags)
    assert run.out == f'pod "web" {word}\n'
    assert run.err.startswith("Warning: Immediate deletion") == ("--force" in flags)
    assert server.asked[0].query == ({"gracePeriodSeconds": [seconds]} if seconds else {})


def test_delete_by_file_asks_the_server_what_it_names(server: PreparedServer, cli: Cli, manifest: str) -> None:
    named = [{"kind": "Pod", "namespace": "default", "name": name} for name in ("a", "gone")]
    server.answer("POST /podrun/v1/decode", {"results": named})
    server.answer(f"DELETE {PODS}/a", pod("a"))
    server.refuse(f"DELETE {PODS}/gone", 404, "NotFound", 'pods "gone" not found')
    run = cli("delete", "-f", manifest, "--wait=false")
    assert (run.out, run.code) == ('pod "a" deleted\n', 1)
    assert run.err == f'Error from server (NotFound): error when deleting "{manifest}": pods "gone" not found\n'
    assert cli("delete", "-f", manifest, "--wait=false", "--ignore-not-found").code == 0


def test_an_address_that_nobody_serves_is_named_with_the_reason(cli: Cli) -> None:
    run = cli("apply", "-f", "http://127.0.0.1:1/pod.yaml")
    assert (run.err, run.code) == ('error: unable to read URL "http://127.0.0.1:1/pod.yaml", Connection refused\n', 1)


@pytest.mark.parametrize(("answer", "deleted"), [("yes\n", True), ("Y\n", True), ("n\n", False), ("", False)])
def test_interactive_delete_asks_first(
    server: PreparedServer, cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, deleted: bool
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    server.answer(f"DELETE {PODS}/a", pod("a"))
    run = cli("delete", "pod", "a", "-i", "--wait=false", "--cascade")
    asked = "You are about to delete the following 1 resource(s):\npod/a\nDo you want to continue? (y/n): "
    assert run.out == asked + ('pod "a" deleted\n' if deleted else "deletion is cancelled\n")
    assert (run.code, len(server.asked)) == (0, int(deleted))


def test_delete_by_label_takes_what_is_selected(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", pod_list(pod("a"), pod("b")))
    for name in ("a", "b"):
        server.answer(f"DELETE {PODS}/{name}", pod(name))
    run = cli("delete", "pods", "-l", "app=x", "--no-wait", "-o", "name")
    assert run.out == "pod/a\npod/b\n"
    assert server.asked[0].query == {"labelSelector": ["app=x"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "error: You must provide one or more resources by argument or filename."),
        (["pod"], "error: resource(s) were provided, but no name was specified\n"),
        (["pod", "x", "-l", "a=b"], "error: name cannot be provided when a selector is specified\n"),
        (["pod", "x", "--cascade=x"], "error: invalid cascade value (x). Must be"),
        (["pod", "x", "--cascade=orphan"], "error: cannot delete with --cascade=orphan: what a pod owns goes with it"),
        (["pod", "x", "--now", "--grace-period=3"], "error: --now and --grace-period cannot be specified together\n"),
        (
            ["pod", "x", "--force", "--grace-period=3"],
            "error: --force and --grace-period greater than 0 cannot be specified together\n",
        ),
        (["-f", "/nope.yaml"], 'error: the path "/nope.yaml" does not exist\n'),
    ],
)
def test_delete_refuses_what_is_unclear(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli("delete", *arguments)
    assert run.code == 1
    assert run.err.startswith(said)
