"""Every manifest in examples/ runs as it is, and shows what it says it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from podrun.api import objects, parse
from tests import wait
from tests.pod import pods
from tests.pod.instance import Instance

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))


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


SHOWS: dict[str, Callable[[Instance], None]] = {
    "cpu-weights.yaml": shows_weights,
    "localhost.yaml": shows_localhost,
    "memory-limit.yaml": shows_an_oom_kill,
    "shared-pid.yaml": shows_a_shared_pid_namespace,
    "sidecar.yaml": shows_a_shared_volume,
    "two-pods.yaml": shows_two_pods_that_talk,
}


def test_every_example_has_a_test() -> None:
    assert [path.name for path in FILES] == sorted(SHOWS)


@pytest.mark.vm
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_runs_as_it_is(node: Instance, path: Path) -> None:
    names = [each.metadata.name for each in parse.parse(path.read_bytes()) if isinstance(each, objects.Pod)]
    crashes = path.name == "memory-limit.yaml"
    node.run("apply", *([] if crashes else ["--wait"]), path)
    SHOWS[path.name](node)
    node.run("delete", "-f", path)
    assert [name for name in names if node.find_pod(name)] == []
