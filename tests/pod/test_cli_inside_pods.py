"""`cp` and `port-forward`: into running pods and out of them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests
from tests.pod.instance import COMMAND, Instance

SERVER = "mkdir /w; echo hello >/w/index.html; httpd -p 127.0.0.1:8080 -h /w; nc -ll -p 9000 -e cat & "


@pytest.mark.vm
def test_files_go_in_and_out_with_their_modes(node: Instance, tmp_path: Path) -> None:
    node.apply(manifests.pod("files"), wait=True)
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "f").write_bytes(os.urandom(300_000))
    (tree / "sub" / "f").chmod(0o741)
    (tree / "sub" / "l").symlink_to("f")
    os.link(tree / "sub" / "f", tree / "hard")
    node.run("cp", tree, "files:/tmp/new")
    node.run("cp", tree, "files:/tmp")
    listed = node.exec("files", "stat", "-c", "%a %F", "/tmp/tree/sub/f", "/tmp/new/sub/f", "/tmp/new/sub/l").stdout
    assert listed == "741 regular file\n741 regular file\n777 symbolic link\n"
    back = node.run("cp", "files:/tmp/tree", tmp_path / "back")
    hint = 'podrun exec -n "default" "files" -- tar cf - "/tmp/tree" | tar xf -'
    warning = f'warning: skipping symlink: "{tmp_path}/back/sub/l" -> "f"'
    assert back.stderr == f'{warning} (consider using "{hint}")\n'
    for name in ("hard", "sub/f"):
        assert (tmp_path / "back" / name).read_bytes() == (tree / "sub" / "f").read_bytes()
    assert (tmp_path / "back" / "sub" / "f").stat().st_mode & 0o777 == 0o741
    missing = node.run("cp", "files:/nowhere", tmp_path / "x", check=False)
    assert (missing.returncode, "cannot copy /nowhere: No such file" in missing.stderr) == (1, True)
    readonly = node.run("cp", tree / "hard", "files:/proc/version", check=False)
    assert readonly.returncode == 1


def test_no_link_of_a_container_leads_a_copy_to_the_machine(node: Instance, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    script = (
        f"ln -s {tmp_path} /tmp/host; ln -s /proc/1/root /tmp/magic; ln -s /proc/self/cwd /tmp/cwd; mkfifo /tmp/p; "
    )
    node.apply(manifests.pod("links", manifests.busybox(script=script + manifests.SLEEP), hostPID=True), wait=True)
    wait.wait_until(lambda: node.exec("links", "ls", "/tmp/p", check=False).returncode == 0, "the links to be made")
    for path in (f"/tmp/host/{secret.name}", f"/tmp/magic{secret}", f"/../../..{secret}", "/tmp/cwd/x", "/tmp/p"):
        run = node.run("cp", f"links:{path}", tmp_path / "stolen", check=False)
        assert (run.returncode, (tmp_path / "stolen").exists()) == (1, False), path
    for path in (f"/tmp/host/{secret.name}", f"/tmp/magic{tmp_path}/new"):
        assert node.run("cp", secret, f"links:{path}", check=False).returncode == 1
    assert sorted(os.listdir(tmp_path)) == ["secret"]


def test_local_ports_lead_into_the_pod(node: Instance) -> None:
    node.apply(manifests.pod("ports", manifests.busybox(script=SERVER + manifests.SLEEP)), wait=True)
    command = [COMMAND, "port-forward", "pod/ports", ":8080", ":9000", ":7"]
    with subprocess.Popen(
        command, env=node.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            ports: dict[str, int] = {}
            assert run.stdout is not None
            while len(ports) < 3:
                found = re.match(r"Forwarding from 127.0.0.1:(\d+) -> (\d+)", run.stdout.readline())
                if found:
                    ports[found[2]] = int(found[1])
            page = exchanged(ports["8080"], b"GET / HTTP/1.0\r\n\r\n")
            wait.wait_until(lambda: b"hello" in (page or exchanged(ports["8080"], b"GET / HTTP/1.0\r\n\r\n")), "a page")
            wait.wait_until(lambda: exchanged(ports["9000"], b"x") == b"x", "nc to listen")
            sent = os.urandom(1 << 20)
            assert exchanged(ports["9000"], sent) == sent  # Its end reaches cat, whose answer still comes.
            assert exchanged(ports["7"], b"x") == b""
        finally:
            run.send_signal(signal.SIGINT)
            _, complaints = run.communicate(timeout=wait.patient(30))
    assert run.returncode == 130
    assert "cannot connect to port 7 inside the pod: connection refused" in complaints


def exchanged(port: int, sent: bytes) -> bytes:
    """What comes back until the end; what was sent is ended first."""
    with socket.create_connection(("127.0.0.1", port), wait.patient(30)) as connection:
        received = []
        try:
            connection.sendall(sent) if len(sent) < 1 << 16 else send_apart(connection, sent)
            if len(sent) < 1 << 16:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                received.append(piece)
        except TimeoutError:
            raise
        except OSError:  # a reset; before shutdown(2) it is ENOTCONN
            pass
        return b"".join(received)


def send_apart(connection: socket.socket, sent: bytes) -> None:
    """Where an echo would fill both ways, nobody may only send."""
    import threading

    def send() -> None:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()


def test_top_shows_who_works(node: Instance) -> None:
    busy = manifests.busybox("busy", script=manifests.OBEDIENT + "while true; do :; done")
    node.apply(manifests.pod("working", busy, manifests.busybox("idle")), wait=True)
    lines = [line.split() for line in node.run("top", "pod", "--containers", "--no-headers").stdout.splitlines()]
    used = {line[1]: int(line[2].removesuffix("m")) for line in lines if line[0] == "working"}
    assert used["busy"] > used["idle"]
    assert node.run("top", "node", "--no-headers").stdout.split()[0] == node.pod("working")["spec"]["nodeName"]
    text = node.request("GET", "/metrics/resource")["text"]
    assert 'container_cpu_usage_seconds_total{container="busy",namespace="default",pod="working"}' in text
    measured = dict(line.rsplit(" ", 1) for line in node.request("GET", "/metrics")["text"].splitlines())
    started = 'kubelet_started_containers_total{container_type="container"}'
    launched = 'kubelet_runtime_operations_duration_seconds_count{operation_type="start_container"}'
    assert float(measured[started]) >= 2
    assert float(measured[launched]) >= 2
    assert float(measured["kubelet_pod_start_duration_seconds_sum"]) > 0
