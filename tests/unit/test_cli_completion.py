"""Completion: what `podrun __complete` offers, and what real shells make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.cli_runs import Cli, pod, pod_list
from tests.fakes.prepared_server import PreparedServer

PODS = "/api/v1/namespaces/default/pods"
SHELLS = {
    "bash": "source <(podrun completion bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
    '_podrun; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "zsh": 'compdef() {{ }}; compadd() {{ print -l -- "${{@:4}}"; }}; source <(podrun completion zsh); '
    "words=({words}); CURRENT=${{#words}}; _podrun",
    "fish": "podrun completion fish | source; complete -C {line}",
}


@pytest.fixture
def pods(server: PreparedServer) -> PreparedServer:
    server.answer(f"GET {PODS}", pod_list(pod("web"), pod("worker"), pod("job")))
    server.answer("GET /api/v1/namespaces/other/pods", pod_list(pod("far")))
    server.answer("GET /api/v1/namespaces", {"items": [{"metadata": {"name": "other"}}]})
    server.answer(f"GET {PODS}/web", pod())
    names = ["docker.io/library/busybox:1", "docker.io/me/mine:1", "registry.lan/x:1"]
    server.answer("GET /podrun/v1/images", {"images": [{"names": names}]})
    return server


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ap"], ["api-resources", "api-versions", "apply"]),
        (["get", "po"], ["pods"]),
        (["image", "rm", "b"], ["busybox:1"]),
        (["image", "inspect", "docker.io/"], ["docker.io/library/busybox:1", "docker.io/me/mine:1"]),
        (["image", "tag", "me/mine:1", ""], []),
        (["image", "load", ""], [":files"]),
        (["get", "pods", "w"], ["web", "worker"]),
        (["get", "pod/w"], ["pod/web", "pod/worker"]),
        (["get", "pods", "-n", "other", ""], ["far"]),
        (["-n", "other", "logs", ""], ["far"]),
        (["logs", "-n", "o"], ["other"]),
        (["logs", "web", "-c", ""], ["app"]),
        (["exec", "j"], ["job"]),
        (["exec", "job", "--", ""], []),
        (["create", "sec"], ["secret"]),
        (["create", "cm", "--from-l"], ["--from-literal"]),
        (["get", "pods", "-o", "custom"], ["custom-columns="]),
        (["apply", "-f", "x"], [":files"]),
        (["taint", ""], ["nodes"]),
        (["get", "nonsense", ""], []),
        (["nonsense", ""], []),
    ],
)
def test_what_begins_alike_is_offered(pods: PreparedServer, cli: Cli, words: list[str], offered: list[str]) -> None:
    run = cli("__complete", *words)
    assert (run.code, run.out.split(), run.err) == (0, offered, "")


def test_without_a_kubelet_there_are_no_names_and_no_complaints(instance: object, cli: Cli) -> None:
    assert cli("__complete", "get", "pods", "") == cli("__complete", "nonsense", "")
    assert cli("__complete", "get", "no").out == "nodes\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "offered"), [(["podrun", "get", "pods", "wo"], ["worker"]), (["podrun", "edi"], ["edit"])]
)
def test_shells_complete_with_it(pods: PreparedServer, shell: str, words: list[str], offered: list[str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    script = SHELLS[shell].format(words=" ".join(words), line=f"'{' '.join(words)}'")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [shell, "--no-config", "-c", script] if shell == "fish" else [shell, "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (run.stdout.split(), run.stderr) == (offered, "")


def test_a_shell_that_nobody_knows_is_an_error(cli: Cli) -> None:
    assert cli("completion", "csh").err == 'error: Unsupported shell type "csh".\n'
    assert cli("completion").err.startswith("error: Shell not specified.\n")
