"""The first thing that anybody does with podrun, through its command line, from the manifest to nothing left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import wait
from tests.pod import manifests, pods
from tests.pod.instance import Instance

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.vm
def test_a_pod_from_apply_to_delete(own_node: Instance) -> None:
    assert own_node.run("apply", "--wait", EXAMPLES / "localhost.yaml").stdout == "pod/localhost created\n"
    assert own_node.run("apply", EXAMPLES / "localhost.yaml").stdout == "pod/localhost unchanged\n"

    header, row = own_node.run("get", "pods", "-o", "wide").stdout.splitlines()
    assert header.split()[:6] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"]
    assert row.split()[:4] == ["localhost", "2/2", "Running", "0"]
    assert own_node.run("get", "pod", "-o", "name").stdout == "pod/localhost\n"

    described = own_node.run("describe", "pod", "localhost").stdout
    assert "Successfully assigned default/localhost to" in described
    assert "Started container web" in described

    ended = own_node.exec("localhost", "sh", "-c", "echo out; echo err >&2; exit 7", container="web", check=False)
    assert (ended.returncode, ended.stdout) == (7, "out\n")
    assert ended.stderr == "err\ncommand terminated with exit code 7\n"

    assert own_node.run("delete", "pod", "localhost").stdout == 'pod "localhost" deleted\n'
    assert own_node.find_pod("localhost") is None
    assert own_node.run("get", "pods").stderr == "No resources found in default namespace.\n"
    wait.wait_until(lambda: not os.path.exists(f"/sys/class/net/{own_node.paths.bridge}"), "the bridge to be gone")


@pytest.mark.vm
def test_requests_and_limits_stand_in_the_control_groups(node: Instance) -> None:
    resources = {"requests": {"cpu": "250m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
    node.apply(manifests.pod("limited", manifests.busybox(resources=resources)), wait=True)
    pod = node.pod("limited")
    group = node.container_group(pod)
    if "cpu" in group.hierarchies.v2_controllers:
        expected = {"cpu.weight": "35", "cpu.max": "50000 100000", "memory.max": str(64 << 20)}
        places = dict.fromkeys(expected, group.directory)
    else:
        expected = {"cpu.shares": "256", "cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": str(64 << 20)}
        points = group.hierarchies.v1_controllers
        places = {knob: points[knob.partition(".")[0]] + group.path for knob in expected}
    assert {knob: Path(places[knob], knob).read_text().strip() for knob in expected} == expected


def test_pods_have_addresses_of_their_own_and_reach_each_other(node: Instance) -> None:
    names = [f"many-{number}" for number in range(10)]
    server = "echo hi > /tmp/index.html; httpd -p 8080 -h /tmp; " + manifests.SLEEP
    node.submit(*(manifests.pod(name, manifests.busybox(script=server)) for name in names))
    found = [pods.address(node.wait_for(name, pods.is_ready, "to be ready", 40)) for name in names]
    assert len(set(found)) == len(names)
    for address in found[1:]:
        wait.wait_until(
            lambda to=address: node.exec("many-0", "wget", "-qO-", f"http://{to}:8080/", check=False).stdout == "hi\n",
            f"{address} to answer",
        )
    for name in names:
        node.discard(name)
    node.wait_gone(*names)


def test_the_hosts_network_is_the_hosts(node: Instance) -> None:
    node.apply(manifests.pod("host", hostNetwork=True), wait=True)
    pod = node.pod("host")
    assert pods.address(pod) == pod["status"]["hostIP"]
    assert node.exec("host", "readlink", "/proc/self/ns/net").stdout.strip() == os.readlink("/proc/self/ns/net")
    assert node.exec("host", "hostname").stdout.strip() == os.uname().nodename
    assert node.exec("host", "head", "-n1", "/etc/hosts").stdout.startswith("# Kubernetes-managed hosts file (host net")


def test_an_empty_dir_outlives_its_containers_and_a_host_path_the_pod(node: Instance, tmp_path: Path) -> None:
    mounts = [{"name": "scratch", "mountPath": "/scratch"}, {"name": "host", "mountPath": "/host"}]
    script = (
        "echo run >> /scratch/runs; cp /scratch/runs /host/runs; [ $(wc -l < /scratch/runs) -ge 3 ] || exit 1; sleep 1"
    )
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "made"), "type": "DirectoryOrCreate"}},
    ]
    container = manifests.busybox(script=script, volumeMounts=mounts)
    node.apply(manifests.pod("volumes", container, volumes=volumes, restartPolicy="OnFailure"))
    node.wait_for("volumes", lambda pod: pods.phase(pod) == "Succeeded", "to succeed at its third run", 60)
    node.discard("volumes")
    node.wait_gone("volumes")
    assert (tmp_path / "made" / "runs").read_text() == "run\n" * 3


@pytest.mark.parametrize(
    ("type", "place", "words"),
    [
        ("Directory", "absent", "hostPath type check failed: {} is not a directory"),
        ("File", "", "hostPath type check failed: {} is not a file"),
        ("Socket", "", "hostPath type check failed: {} is not a socket file"),
        ("FileOrCreate", "absent/file", "{}: No such file or directory"),
    ],
)
def test_a_host_path_of_the_wrong_type_keeps_the_pod_waiting(
    node: Instance, tmp_path: Path, type: str, place: str, words: str
) -> None:
    path = tmp_path / place
    volume = {"name": "v", "hostPath": {"path": str(path), "type": type}}
    name = f"wrong-{type.lower()}"
    node.apply(manifests.pod(name, volumes=[volume]))
    expected = f'FailedMount MountVolume.SetUp failed for volume "v" : {words.format(path)}'
    wait.wait_until(lambda: expected in node.events(name), "the event FailedMount")
    assert pods.waiting(node.pod(name))["reason"] == "ContainerCreating"
    node.discard(name)
    node.wait_gone(name)


def test_environment_command_and_directory_are_as_the_manifest_says(node: Instance) -> None:
    container = manifests.busybox(
        command=["sh", "-c", 'echo "$(GREETING) $0 $1 $HOME $PWD $HOSTNAME"; exec sleep 1000'],
        args=["$(WHOM)", "$$(WHOM)"],
        env=[{"name": "WHOM", "value": "world"}, {"name": "GREETING", "value": "hello-$(WHOM)"}],
        workingDir="/made/for/me",
    )
    node.apply(manifests.pod("env", container, hostname="chosen", hostAliases=[{"ip": "10.1.2.3", "hostnames": ["a"]}]))
    node.wait_for("env", pods.is_ready, "to be ready")
    line = "hello-world world $(WHOM) /root /made/for/me chosen"
    wait.wait_until(lambda: node.logs("env") == [line], "the line that says so")
    assert "10.1.2.3\ta" in node.exec("env", "cat", "/etc/hosts").stdout
