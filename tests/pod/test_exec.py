"""`podrun exec`: another process in a running container, its streams and its exit code passed through as they are."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import COMMAND, Instance

POD = "executed"


@pytest.fixture(scope="module")
def target(node: Instance) -> Instance:
    """The shared instance, in which the pod runs that all tests here look into."""
    containers = (
        manifests.busybox(env=[{"name": "OWN", "value": "from the pod"}], workingDir="/var/www"),
        manifests.witness("witness", "hang"),
    )
    node.apply(manifests.pod(POD, *containers), wait=True)
    return node


@pytest.mark.vm
def test_exit_code_and_both_outputs_are_passed_on(target: Instance) -> None:
    result = target.exec(POD, "sh", "-c", "echo out; echo err >&2; exit 42", container="main", check=False)
    assert result.returncode == 42
    assert result.stdout == "out\n"
    assert result.stderr == "err\ncommand terminated with exit code 42\n"


def test_a_process_ended_by_a_signal_has_128_more(target: Instance) -> None:
    assert target.exec(POD, "sh", "-c", "kill -9 $$", container="main", check=False).returncode == 137


@pytest.mark.vm
def test_a_mebibyte_of_any_bytes_goes_in_and_comes_out_unchanged(target: Instance) -> None:
    sent = os.urandom(1 << 20)
    words = [COMMAND, "exec", "-i", POD, "-c", "main", "--", "cat"]
    result = subprocess.run(words, env=target.environment, input=sent, capture_output=True, timeout=wait.patient(60))
    assert result.returncode == 0, result.stderr
    assert result.stdout == sent
    assert result.stderr == b""


def test_without_i_nothing_is_read(target: Instance) -> None:
    assert target.exec(POD, "cat", container="main", stdin=b"unread").stdout == ""


def test_it_runs_as_the_containers_user_with_its_environment_and_directory(target: Instance) -> None:
    result = target.exec(POD, "sh", "-c", "id -u; pwd; echo $OWN; echo $HOSTNAME", container="main")
    assert result.stdout.splitlines() == ["0", "/var/www", "from the pod", POD]


def test_it_is_in_the_containers_namespaces_and_control_group(target: Instance) -> None:
    seen = target.exec(POD, "/witness", "namespaces", container="witness").stdout.splitlines()
    pod = target.pod(POD)
    main = target.container_pids(pod, "witness")[0]
    assert len(seen) == 7
    assert [line for line in seen if line != os.readlink(f"/proc/{main}/ns/{line.partition(':')[0]}")] == []
    words = [COMMAND, "exec", "-i", POD, "-c", "witness", "--", "/witness", "stdin"]
    running = subprocess.Popen(words, env=target.environment, stdin=subprocess.PIPE)
    try:
        wait.wait_until(lambda: len(target.container_pids(pod, "witness")) == 2, "the process in the container's group")
    finally:
        running.kill()
        running.communicate()
    wait.wait_until(lambda: len(target.container_pids(pod, "witness")) == 1, "it to end with its client")


def test_an_unknown_container_is_refused_and_the_first_is_the_default(target: Instance) -> None:
    unknown = target.exec(POD, "true", container="nobody", check=False)
    assert unknown.returncode == 1
    assert unknown.stderr == f"Error from server (BadRequest): container nobody is not valid for pod {POD}\n"
    default = target.exec(POD, "pwd")
    assert default.stdout == "/var/www\n"
    assert "Defaulted container" in default.stderr
    nobody = target.run("exec", "no-pod", "--", "true", check=False)
    assert nobody.returncode == 1
    assert 'pods "no-pod" not found' in nobody.stderr


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("no-such-program", 127, 'exec: "no-such-program": executable file not found in $PATH'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_what_can_not_be_run_is_said_in_the_usual_words(target: Instance, program: str, code: int, words: str) -> None:
    result = target.exec(POD, program, container="main", check=False)
    assert result.returncode == code
    assert words in result.stderr


def test_many_at_once_get_their_own_answers(target: Instance) -> None:
    running = [
        subprocess.Popen(
            [COMMAND, "exec", POD, "-c", "main", "--", "sh", "-c", f"echo {n}; exit {n}"],
            env=target.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for n in range(1, 9)
    ]
    answers = [(each.communicate(timeout=wait.patient(60))[0], each.returncode) for each in running]
    assert answers == [(f"{n}\n".encode(), n) for n in range(1, 9)]


def test_it_goes_on_while_the_kubelet_dies(own_node: Instance) -> None:
    own_node.apply(manifests.pod("lasting"), wait=True)
    script = "echo up; until [ -e /tmp/go ]; do sleep 0.05; done; echo done; exit 5"
    running = subprocess.Popen(
        [COMMAND, "exec", "lasting", "--", "sh", "-c", script], env=own_node.environment, stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"up\n"
    own_node.kill_kubelet()
    own_node.start_kubelet()
    own_node.wait_for("lasting", pods.is_ready, "to be ready still")
    wait.wait_until(lambda: own_node.exec("lasting", "touch", "/tmp/go", check=False).returncode == 0, "an exec")
    assert running.communicate(timeout=wait.patient(60))[0] == b"done\n"
    assert running.returncode == 5
