"""Every manifest in examples/ runs as it is, and shows what it says it shows."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from podrun.api import objects, parse
from tests import terminals, wait
from tests.pod import pods
from tests.pod.instance import COMMAND, Instance

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))
# Packages are not to be had in the VM: what needs images of them runs on this machine only.
OF_PACKAGES = {"image: nginx:1": "nginx", "image: redis:7": "redis"}


def shows_localhost(node: Instance) -> None:
    answered = "hello from localhost"
    wait.wait_until(lambda: answered in node.logs("localhost", "client"), "the client to be answered", step=0.1)
    inside = {
        kind: {
            node.exec("localhost", "readlink", f"/proc/self/ns/{kind}", container=c).stdout for c in ("web", "client")
        }
        for kind in ("net", "ipc", "uts", "pid", "mnt")
    }
    assert {kind: len(seen) for kind, seen in inside.items()} == {"net": 1, "ipc": 1, "uts": 1, "pid": 2, "mnt": 2}


def shows_a_shared_pid_namespace(node: Instance) -> None:
    listed = node.exec("shared-pid", "ps", "-o", "pid,args", container="shell").stdout.splitlines()[1:]
    commands = {int(pid): command for pid, command in (line.split(None, 1) for line in listed)}
    assert commands[1] == "/pause"
    assert any("sleep 1000000" in command for command in commands.values())
    assert any("trap" in command for command in commands.values())


def shows_weights(node: Instance) -> None:
    pod = node.pod("cpu-weights")
    groups = [node.container_group(pod, name) for name in ("one", "three")]

    def used() -> list[int]:
        return [group.stats().cpu_usage_us for group in groups]

    before = used()
    enough = wait.patient(1) * 1_000_000

    def ratio() -> float:
        one, three = (now - then for now, then in zip(used(), before, strict=True))
        return three / one if one + three > enough and one else 0.0

    wait.wait_until(lambda: 2.0 < ratio() < 4.5, "three times as much processor time for the second", 60, step=0.5)


def shows_an_oom_kill(node: Instance) -> None:
    pod = node.wait_for("memory-limit", lambda p: pods.restarts(p, "greedy") >= 1, "to be started again", 60)
    last = pods.last_terminated(pod, "greedy") or pods.terminated(pod, "greedy")
    assert (last["reason"], last["exitCode"]) == ("OOMKilled", 137)
    waiting = node.wait_for("memory-limit", lambda p: pods.waiting(p, "greedy"), "to wait for its next start", 60)
    assert pods.waiting(waiting, "greedy")["reason"] == "CrashLoopBackOff"


def shows_a_shared_volume(node: Instance) -> None:
    wait.wait_until(lambda: "line 3" in node.logs("sidecar", "reader"), "the reader to see what is written", step=0.1)
    refused = node.exec("sidecar", "touch", "/seen/more", container="reader", check=False)
    assert "Read-only file system" in refused.stderr


def shows_two_pods_that_talk(node: Instance) -> None:
    address = pods.address(node.pod("server"))
    assert address != pods.address(node.pod("caller"))
    answer = wait.wait_until(
        lambda: node.exec("caller", "wget", "-q", "-O", "-", f"http://{address}:8080/", check=False).stdout,
        "the server to answer",
        step=0.1,
    )
    assert answer == "served by server\n"


def shows_hooks(node: Instance) -> None:
    assert node.exec("lifecycle", "cat", "/usr/share/message").stdout == "Hello from the postStart handler\n"
    log = node.paths.pod_log_dir("default", "lifecycle", pods.uid(node.pod("lifecycle"))) / "nginx" / "0.log"
    with log.open() as kept:  # readable after the pod's directory is gone
        node.run("delete", "pod", "lifecycle")
        assert "Goodbye from the preStop handler" in kept.read()


def shows_more_names(node: Instance) -> None:
    node.wait_for("host-aliases", pods.has_ended, "to have said all")
    lines = node.logs("host-aliases")
    assert "127.0.0.1\tfoo.local\tbar.local" in lines
    assert "10.1.2.3\tfoo.remote\tbar.remote" in lines


def shows_content_that_stays_fresh(node: Instance) -> None:
    def version() -> int:
        page = node.exec("web-and-puller", "wget", "-q", "-O", "-", "http://localhost/", container="puller").stdout
        return int(page.removeprefix("version "))

    first = version()
    wait.wait_until(lambda: version() > first, "the puller to renew what nginx serves", step=0.2)


def shows_two_services(node: Instance) -> None:
    answer = "http://localhost:9000 says forty-two"
    wait.wait_until(lambda: answer in node.logs("two-services", "front"), "an answer of the second service", step=0.1)


def shows_a_port_of_this_machine(node: Instance) -> None:
    with urllib.request.urlopen("http://127.0.0.1:8888/", timeout=wait.patient(10)) as answer:
        assert answer.read() == b"served by host-port\n"


def shows_requests_and_limits(node: Instance) -> None:
    described = node.run("describe", "pod", "resources").stdout
    assert described.count("memory:  256Mi") == 2
    knob = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert int(node.exec("resources", "sh", "-c", knob, container="small").stdout) == 256 << 20


def shows_a_restart_by_a_failing_probe(node: Instance) -> None:
    page = "http://localhost:8080/cgi-bin/fail"
    assert node.exec("liveness", "wget", "-q", "-O", "-", page).stdout == "failing from now on\n"
    node.wait_for("liveness", lambda p: pods.restarts(p, "app") == 1 and pods.is_ready(p), "to be up again", 60)
    events = node.events("liveness")
    assert "Unhealthy Liveness probe failed: HTTP probe failed with statuscode: 404" in events
    assert "Killing Container app failed liveness probe, will be restarted" in events


def shows_data_that_outlive_the_pod(node: Instance) -> None:
    assert node.exec("redis", "redis-cli", "set", "greeting", "hello").stdout == "OK\n"
    before = pods.uid(node.pod("redis"))
    node.run("delete", "pod", "redis")
    node.run("apply", "--wait", EXAMPLES / "redis.yaml")
    assert pods.uid(node.pod("redis")) != before
    assert node.exec("redis", "redis-cli", "get", "greeting").stdout == "hello\n"


def shows_a_configuration_that_is_followed(node: Instance) -> None:
    told = "COLOUR=blue DB_user=admin DB_password=swordfish"
    wait.wait_until(lambda: told in node.logs("config"), "the variables", step=0.1)
    node.run("patch", "configmap", "config", "--patch", '{"data": {"colour": "green"}}')
    wait.wait_until(lambda: "colour is green" in node.logs("config"), "the file to follow its object", step=0.1)
    assert node.exec("config", "sh", "-c", "echo $COLOUR").stdout == "blue\n"


def shows_a_shell_beside_nginx(node: Instance) -> None:
    words = [str(COMMAND), "attach", "-it", "nginx-shell", "-c", "shell"]
    with terminals.Terminal(words, node.environment) as terminal:
        terminal.type(b"until ps ax | grep '[n]ginx: master'; do sleep 0.1; done\n")
        terminal.expect("nginx: master process")
        terminal.type(b"head -1 /proc/2/root/etc/nginx/nginx.conf\n")
        terminal.expect("user www-data")
    assert pods.is_ready(node.pod("nginx-shell"))


SHOWS: dict[str, Callable[[Instance], None]] = {
    "config.yaml": shows_a_configuration_that_is_followed,
    "cpu-weights.yaml": shows_weights,
    "host-aliases.yaml": shows_more_names,
    "host-port.yaml": shows_a_port_of_this_machine,
    "lifecycle.yaml": shows_hooks,
    "liveness.yaml": shows_a_restart_by_a_failing_probe,
    "localhost.yaml": shows_localhost,
    "memory-limit.yaml": shows_an_oom_kill,
    "nginx-shell.yaml": shows_a_shell_beside_nginx,
    "redis.yaml": shows_data_that_outlive_the_pod,
    "resources.yaml": shows_requests_and_limits,
    "shared-pid.yaml": shows_a_shared_pid_namespace,
    "sidecar.yaml": shows_a_shared_volume,
    "two-pods.yaml": shows_two_pods_that_talk,
    "two-services.yaml": shows_two_services,
    "web-and-puller.yaml": shows_content_that_stays_fresh,
}


def test_every_example_has_a_test() -> None:
    assert [path.name for path in FILES] == sorted(SHOWS)


def images_of(path: Path) -> list[str]:
    text = path.read_text()
    return [image for reference, image in OF_PACKAGES.items() if reference in text]


def run_as_it_is(node: Instance, path: Path) -> None:
    names = [each.metadata.name for each in parse.parse(path.read_bytes()) if isinstance(each, objects.Pod)]
    crashes = path.name == "memory-limit.yaml"
    node.run("apply", *([] if crashes else ["--wait"]), path)
    SHOWS[path.name](node)
    node.run("delete", "--ignore-not-found", "-f", path)
    assert [name for name in names if node.find_pod(name)] == []


@pytest.mark.vm
@pytest.mark.parametrize("path", [path for path in FILES if not images_of(path)], ids=lambda path: path.stem)
def test_an_example_runs_as_it_is(node: Instance, path: Path) -> None:
    run_as_it_is(node, path)


@pytest.fixture(scope="module")
def stocked_node(node: Instance) -> Instance:
    """With the images that are made of packages, too."""
    needed = sorted({image for path in FILES for image in images_of(path)})
    subprocess.run(
        [EXAMPLES / "images" / "import.sh", *needed], env=node.environment | {"PODRUN": str(COMMAND)}, check=True
    )
    return node


@pytest.mark.parametrize("path", [path for path in FILES if images_of(path)], ids=lambda path: path.stem)
def test_an_example_with_debian_packages_runs_as_it_is(stocked_node: Instance, path: Path) -> None:
    run_as_it_is(stocked_node, path)
