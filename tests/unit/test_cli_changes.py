"""`label`, `annotate`, `patch`, `replace`, `edit`, `diff` and manifests from a URL."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.cli import edit
from tests.fakes.cli_runs import Cli, pod
from tests.fakes.prepared_server import PreparedServer

POD = "/api/v1/namespaces/default/pods/web"
MAP = "/api/v1/namespaces/default/configmaps/c"


def labeled(**labels: str) -> dict[str, object]:
    return {**pod(), "metadata": {"name": "web", "namespace": "default", "labels": labels, "annotations": labels}}


def config_map(**data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "data": data, "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}


@pytest.mark.parametrize(
    ("verb", "arguments", "before", "after", "said", "patch"),
    [
        ("label", ["a=1"], {}, {"a": "1"}, "pod/web labeled\n", {"labels": {"a": "1"}}),
        ("label", ["a=1"], {"a": "1"}, {"a": "1"}, "pod/web not labeled\n", {"labels": {"a": "1"}}),
        ("label", ["a-"], {"a": "1"}, {}, "pod/web unlabeled\n", {"labels": {"a": None}}),
        ("label", ["a=2", "--overwrite"], {"a": "1"}, {"a": "2"}, "pod/web labeled\n", {"labels": {"a": "2"}}),
        ("label", ["b-"], {}, {}, 'label "b" not found.\npod/web not labeled\n', {"labels": {"b": None}}),
        ("annotate", ["a-"], {"a": "1"}, {}, "pod/web annotated\n", {"annotations": {"a": None}}),
    ],
)
def test_marks_are_set_and_taken_away_by_a_merge_patch(
    server: PreparedServer,
    cli: Cli,
    verb: str,
    arguments: list[str],
    before: dict[str, str],
    after: dict[str, str],
    said: str,
    patch: dict[str, object],
) -> None:
    server.answer(f"GET {POD}", labeled(**before))
    server.answer(f"PATCH {POD}", labeled(**after))
    run = cli(verb, "pod", "web", *arguments)
    assert (run.code, run.out, run.err) == (0, said, "")
    assert json.loads(server.asked[-1].body) == {"metadata": patch}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["label", "pod", "web", "a=2"], "error: 'a' already has a value (1), and --overwrite is false\n"),
        (
            ["annotate", "pod", "web", "a=2"],
            "error: --overwrite is false but found the following declared",
        ),
        (["label", "pod", "web"], "error: at least one label update is required\n"),
        (["label", "pod", "web", "a=1", "a-"], "error: can not both modify and remove a label in the same command\n"),
        (["label", "pod", "a=1", "web"], "error: all resources must be specified before label changes: web\n"),
        (["patch", "pod", "web"], "error: must specify --patch or --patch-file containing the contents of the patch\n"),
        (["patch", "pod", "web", "-p", "a: ["], 'error: unable to parse "a: [": yaml: '),
        (["patch", "pod", "web", "-p", "{}", "--type=x"], "error: --type must be one of [json merge strategic], not"),
        (["replace"], "error: must specify one of -f and -k\n"),
        (
            ["replace", "--force", "--dry-run=server", "-f", "x"],
            "error: --dry-run can not be used when --force is set\n",
        ),
        (["apply", "--prune", "-f", "x"], "error: cannot prune: podrun deletes only what it is told to\n"),
    ],
)
def test_what_cannot_be_changed_is_an_error(server: PreparedServer, cli: Cli, arguments: list[str], said: str) -> None:
    server.answer(f"GET {POD}", labeled(a="1"))
    run = cli(*arguments)
    assert run.code == 1
    assert run.err.startswith(said)


def test_a_patch_is_sent_as_its_type_says(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {POD}", labeled())
    server.answer(f"PATCH {POD}", labeled(a="1"))
    assert cli("patch", "po/web", "-p", "metadata: {labels: {a: '1'}}", "--type=merge").out == "pod/web patched\n"
    asked = server.asked[-1]
    assert json.loads(asked.body) == {"metadata": {"labels": {"a": "1"}}}
    assert asked.headers["Content-Type"] == "application/merge-patch+json"
    server.answer(f"PATCH {POD}/status", labeled())
    assert cli("patch", "po/web", "-p", "{}", "--subresource=status").out == "pod/web patched (no change)\n"


def decoded_as(server: PreparedServer, *maps: dict[str, object]) -> None:
    for one in maps:
        named = {"kind": "ConfigMap", "namespace": "default", "name": "c", "object": one}
        server.answer("POST /podrun/v1/decode", {"results": [named]})


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("KUBE_EDITOR", str(path))


def test_an_edit_sends_what_was_changed(
    server: PreparedServer, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer(f"GET {MAP}", config_map(a="1", b="2"))
    decoded_as(server, config_map(a="1", b="2"), config_map(a="3"))
    server.answer(f"PATCH {MAP}", config_map())
    editor(tmp_path, monkeypatch, f'cp "$1" {tmp_path}/seen; sed -i "s/\\"1\\"/\\"3\\"/" "$1"')
    assert cli("edit", "cm", "c").out == "configmap/c edited\n"
    assert json.loads(server.asked[-1].body) == {"data": {"a": "3", "b": None}}
    assert (tmp_path / "seen").read_text().startswith(edit.HEADER + "apiVersion: v1\n")


def test_an_edit_that_is_refused_is_opened_again_with_the_reason(
    server: PreparedServer, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer(f"GET {MAP}", config_map(a="1"))
    decoded_as(server, config_map(a="1"), config_map(a="bad"), config_map(a="1"), config_map(a="2"))
    causes = [{"field": "data[a]", "message": "Invalid value"}]
    server.refuse(f"PATCH {MAP}", 422, "Invalid", "is invalid", kind="ConfigMap", name="c", causes=causes)
    server.answer(f"PATCH {MAP}", config_map(a="2"))
    editor(tmp_path, monkeypatch, f'cat "$1" >>{tmp_path}/seen; echo "# more" >>"$1"; echo "x: $$" >>"$1"')
    assert cli("edit", "cm/c").out == "configmap/c edited\n"
    assert '# configmaps "c" was not valid:\n# * data[a]: Invalid value\n#\n' in (tmp_path / "seen").read_text()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "Edit cancelled, no changes made.\n"),
        ('echo "# only a comment" >"$1"', "Edit cancelled, saved file was empty.\n"),
    ],
)
def test_an_edit_may_be_given_up(
    server: PreparedServer, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    server.answer(f"GET {MAP}", config_map(a="1"))
    editor(tmp_path, monkeypatch, script)
    run = cli("edit", "cm", "c")
    assert (run.code, run.out, run.err) == (0, "", said)


def test_a_replacement_by_force_deletes_first(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    decoded_as(server, config_map(a="1"))
    server.answer(f"GET {MAP}", config_map())
    server.answer(f"DELETE {MAP}", {})
    server.answer("GET /api/v1/namespaces/default/configmaps", {"items": [], "metadata": {"resourceVersion": "7"}})
    server.answer("POST /api/v1/namespaces/default/configmaps", config_map())
    (tmp_path / "c.yaml").write_text("x")
    assert cli("replace", "--force", "-f", str(tmp_path)).out == 'configmap "c" deleted\nconfigmap/c replaced\n'
    server.answer(f"PUT {MAP}", config_map())
    assert cli("replace", "-f", str(tmp_path), "-o", "name").out == "configmap/c\n"


def test_a_diff_tells_by_its_exit_code(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("x")
    result = {"kind": "ConfigMap", "namespace": "default", "name": "c", "object": config_map(a="1")}
    server.answer("PATCH /podrun/v1/apply", {"results": [result]})
    server.answer(f"GET {MAP}", config_map(a="1"))
    server.answer(f"GET {MAP}", config_map(a="2"))
    assert (cli("diff", "-f", str(path)).code, cli("diff", "-f", "/nowhere").code) == (0, 2)
    run = cli("diff", "-f", str(path))
    assert run.code == 1
    assert '-  a: "2"\n+  a: "1"\n' in run.out
    assert "MERGED/v1.ConfigMap.default.c" in run.out


def test_a_diff_of_a_secret_shows_no_value(server: PreparedServer, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("x")
    after = {"kind": "Secret", "metadata": {"name": "c"}, "data": {"a": "bmV3", "b": "c2FtZQ=="}}
    before = {**after, "data": {"a": "b2xk", "b": "c2FtZQ=="}}
    result = {"kind": "Secret", "namespace": "default", "name": "c", "object": after}
    server.answer("PATCH /podrun/v1/apply", {"results": [result]})
    server.answer("GET /api/v1/namespaces/default/secrets/c", before)
    run = cli("diff", "-f", str(path))
    assert "*** (before)" in run.out
    assert "bmV3" not in run.out
    assert "c2FtZQ" not in run.out


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/pod.yaml" else 404)
            self.end_headers()
            self.wfile.write(b"kind: Pod\n")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_manifest_may_be_a_url(server: PreparedServer, cli: Cli, web_server: str) -> None:
    result = {"kind": "Pod", "name": "web", "namespace": "default", "result": "created", "object": pod()}
    server.answer("PATCH /podrun/v1/apply", {"results": [result]})
    assert cli("apply", "-f", f"{web_server}/pod.yaml").out == "pod/web created\n"
    assert server.asked[-1].body == b"kind: Pod\n"
    assert cli("apply", "-f", f"{web_server}/none").err == (
        f'error: unable to read URL "{web_server}/none", server reported 404 Not Found, status code=404\n'
    )
    assert cli("apply", "-f", "http://127.0.0.1:1/x").err.startswith(
        'error: unable to read URL "http://127.0.0.1:1/x", '
    )
