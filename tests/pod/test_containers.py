"""What a container finds: its user, names, messages and volumes, as the manifest and the image say."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance


@pytest.mark.vm
def test_a_user_of_the_image_is_looked_up_by_name(node: Instance, roots: Path) -> None:
    node.run("image", "import", roots / "busybox", "web-user:1", "--user", "www-data")
    node.apply(manifests.pod("user", manifests.busybox(image="web-user:1")), wait=True)
    assert node.exec("user", "id").stdout.startswith("uid=33(www-data) gid=33(www-data)")
    assert pods.container(node.pod("user"))["user"]["linux"]["uid"] == 33
    node.run("image", "import", roots / "busybox", "nobody-there:1", "--user", "ghost")
    node.apply(manifests.pod("ghost", manifests.busybox(image="nobody-there:1"), restartPolicy="Never"))
    pod = node.wait_for("ghost", pods.has_ended, "to have failed")
    assert "ghost" in pods.terminated(pod)["message"]


def test_host_aliases_and_the_pods_own_name_are_in_etc_hosts(node: Instance) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["db.example", "db"]}]
    node.apply(manifests.pod("names", hostname="chosen", hostAliases=aliases), wait=True)
    hosts = node.exec("names", "cat", "/etc/hosts").stdout
    assert "10.1.2.3\tdb.example\tdb\n" in hosts
    assert f"{pods.address(node.pod('names'))}\tchosen\n" in hosts
    assert node.exec("names", "hostname").stdout == "chosen\n"
    assert node.exec("names", "cat", "/etc/hostname").stdout == "chosen\n"


@pytest.mark.vm
def test_last_words_are_kept_from_the_file_or_from_the_log(node: Instance) -> None:
    containers = (
        manifests.busybox("file", "echo said > /dev/termination-log; exit 1"),
        manifests.busybox("own", "echo elsewhere > /tmp/last; exit 1", terminationMessagePath="/tmp/last"),
        manifests.busybox("log", "echo logged; exit 1", terminationMessagePolicy="FallbackToLogsOnError"),
        manifests.busybox("good", "echo logged; exit 0", terminationMessagePolicy="FallbackToLogsOnError"),
        manifests.busybox("long", "head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log; exit 1"),
    )
    node.apply(manifests.pod("words", *containers, restartPolicy="Never"))
    pod = node.wait_for("words", pods.has_ended, "to have failed")
    messages = {each.get("name"): pods.terminated(pod, each["name"]).get("message") for each in containers}
    assert messages["file"] == "said\n"
    assert messages["own"] == "elsewhere\n"
    assert messages["log"] == "logged\n"
    assert not messages["good"]
    assert messages["long"]
    assert len(messages["long"]) <= 4096


def test_read_only_mounts_are_read_only_for_their_container_alone(node: Instance) -> None:
    writer = manifests.busybox("writer", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    reader = manifests.busybox("reader", volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True}])
    node.apply(manifests.pod("modes", writer, reader, volumes=[{"name": "v", "emptyDir": {}}]), wait=True)
    node.exec("modes", "sh", "-c", "echo text > /v/file", container="writer")
    assert node.exec("modes", "cat", "/v/file", container="reader").stdout == "text\n"
    refused = node.exec("modes", "sh", "-c", "echo more >> /v/file", container="reader", check=False)
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    assert node.exec("modes", "touch", "/own", container="reader").returncode == 0


KINDS = [
    ("", "directory"),
    ("Directory", "directory"),
    ("DirectoryOrCreate", "made/deep"),
    ("File", "file"),
    ("FileOrCreate", "made-file"),
    ("Socket", "socket"),
    ("CharDevice", "/dev/null"),
    ("BlockDevice", "disk"),
]


def bind_in(bound: socket.socket, path: Path) -> None:
    """However long the path is."""
    directory = os.open(path.parent, os.O_PATH)
    try:
        bound.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


@pytest.mark.parametrize(("kind", "path"), KINDS)
def test_a_host_path_of_each_type_is_mounted(node: Instance, tmp_path: Path, kind: str, path: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    disk = min(entry.name for entry in Path("/sys/dev/block").iterdir()).split(":")
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o666, os.makedev(*map(int, disk)))
    with socket.socket(socket.AF_UNIX) as bound:
        bind_in(bound, tmp_path / "socket")
        volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / path), "type": kind}}]
        container = manifests.busybox(volumeMounts=[{"name": "v", "mountPath": "/seen"}])
        name = f"host-path-{kind.lower() or 'any'}"
        node.apply(manifests.pod(name, container, volumes=volumes), wait=True)
        flags = {"File": "-f", "FileOrCreate": "-f", "Socket": "-S", "CharDevice": "-c", "BlockDevice": "-b"}
        flag = flags.get(kind, "-d")
        assert node.exec(name, "test", flag, "/seen").returncode == 0
        if kind == "BlockDevice":  # devices are for privileged containers
            assert "Operation not permitted" in node.exec(name, "head", "-c1", "/seen", check=False).stderr
        node.run("delete", "pod", name, "--now")
        assert (tmp_path / path).exists()


def test_a_host_path_that_comes_late_lets_the_pod_start(node: Instance, tmp_path: Path) -> None:
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "late"), "type": "Directory"}}]
    container = manifests.busybox(volumeMounts=[{"name": "v", "mountPath": "/seen"}])
    node.apply(manifests.pod("late", container, volumes=volumes))
    shown = f"hostPath type check failed: {tmp_path / 'late'} is not a directory"
    wait.wait_until(lambda: any(shown in event for event in node.events("late")), "the event FailedMount")
    assert pods.phase(node.pod("late")) == "Pending"
    (tmp_path / "late").mkdir()
    node.wait_for("late", pods.is_ready, "to be ready")
