"""What a hostile user of the machine, and a hostile container of a real pod, get at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.pod import manifests
from tests.pod.instance import Instance

NOBODY = 65534


def reachable(directory: Path, user: int) -> set[str]:
    """What below `directory` the user can list, read or connect to, by paths relative to it."""
    find = subprocess.run(
        ["find", ".", "-mindepth", "1", "(", "-readable", "-o", "-writable", ")", "-print"],
        cwd=directory, user=user, group=user, extra_groups=(), capture_output=True, text=True,
    )  # fmt: skip
    return {line.removeprefix("./") for line in find.stdout.splitlines()}


def test_other_users_reach_no_pod_even_where_the_directories_were_opened(own_node: Instance) -> None:
    paths = own_node.paths
    for directory in (paths.root, paths.run_dir):
        directory.chmod(0o755)
    own_node.apply(
        manifests.pod(
            "open",
            manifests.busybox(
                script="echo secret > /cache/secret; chmod 777 /cache/secret; echo ready; " + manifests.SLEEP,
                volumeMounts=[{"name": "cache", "mountPath": "/cache"}],
            ),
            volumes=[{"name": "cache", "emptyDir": {}}],
        ),
        wait=True,
    )
    pod = own_node.wait_for("open", lambda pod: own_node.log_lines(pod) == ["ready"], "the volume to be written")
    uid = pod["metadata"]["uid"]
    assert any("secret" in path for path in reachable(paths.root, 0)), "control: root finds it"
    assert f"pods/{uid}/shim.sock" in reachable(paths.run_dir, 0)
    assert reachable(paths.root, NOBODY) == set()
    assert reachable(paths.run_dir, NOBODY) == set()
    log = own_node.paths.pod_log_dir("default", "open", uid) / "main" / "0.log"
    assert log.stat().st_mode & 0o007 == 0


def test_a_container_sees_nothing_of_the_kubelets_environment(own_node: Instance) -> None:
    own_node.apply(manifests.pod("env", manifests.busybox()), wait=True)
    said = own_node.exec("env", "env").stdout
    main = own_node.exec("env", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ").stdout
    for text in (said, main):
        assert "HOSTNAME=env" in text
        assert "PODRUN" not in text
        assert os.fspath(own_node.directory) not in text


def test_files_that_podrun_manages_do_not_lie_in_memory(own_node: Instance) -> None:
    own_node.apply(manifests.pod("fill", manifests.busybox()), wait=True)
    assert own_node.exec("fill", "sh", "-c", "echo filled >> /etc/hosts && tail -n 1 /etc/hosts").stdout == "filled\n"
    holders = {
        path.parents[2] for path in own_node.directory.rglob("hosts") if path.is_file() and "filled" in path.read_text()
    }
    assert holders == {own_node.paths.root / "pods"}
