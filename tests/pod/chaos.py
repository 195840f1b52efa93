"""Random acts against an instance, decided by a seed, and the book that containers keep of their own starts."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests import wait
from tests.pod import instance, manifests, pods
from tests.pod.api import Refusal
from tests.pod.instance import Instance
from tests.pod.manifests import Json

UNKNOWN = (137, "ContainerStatusUnknown")
UNBORN = (128, "StartError")
# The first thing that each run does.
NOTE = 'echo "$HOSTNAME" >> "/book/$HOSTNAME-$NAME"; '


class Book:
    """What containers themselves wrote: one line for each start, in a file for each pod and container."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)

    def volume(self) -> Json:
        return {"name": "book", "hostPath": {"path": str(self.directory), "type": "Directory"}}

    def starts(self, pod: str, container: str) -> int:
        path = self.directory / f"{pod}-{container}"
        return len(path.read_text().splitlines()) if path.exists() else 0


def noted(book: Book, name: str, script: str, **fields: Any) -> Json:
    """A busybox that writes into the book first."""
    env = [{"name": "NAME", "value": name}]
    mounts = [{"name": "book", "mountPath": "/book"}]
    return manifests.busybox(name, NOTE + script, env=env, volumeMounts=mounts, **fields)


class Churn:
    """Pods that come and go while their processes, the shims, the fork server and the kubelet are killed."""

    def __init__(self, node: Instance, seed: int, count: int) -> None:
        self.node = node
        self.dice = random.Random(seed)
        self.count = count
        self.book = Book(node.directory / "book")
        self.wanted: dict[str, Json] = {}  # manifests by name
        self.struck: set[str] = set()  # pods whose shim or pause was killed, or may have been
        self.serial = 0
        self.kubelets = 0

    # The pods.

    def add(self) -> None:
        self.serial += 1
        name = f"pod-{self.serial}"
        manifest = self.steady(name) if self.dice.random() < 0.6 else self.short(name)
        self.wanted[name] = manifest
        self.node.submit(manifest)

    def steady(self, name: str) -> Json:
        """Serves for ever; asked by http and by exec."""
        asked: Json = {"periodSeconds": 2, "timeoutSeconds": 20, "failureThreshold": 10}
        web = noted(
            self.book,
            "web",
            "trap 'exit 0' TERM; httpd -f -p 8080 -h /etc & while true; do sleep 0.5; done",
            readinessProbe=asked | {"httpGet": {"path": "/hosts", "port": 8080}, "periodSeconds": 1},
            livenessProbe=asked | {"exec": {"command": ["true"]}},
        )
        side = noted(self.book, "side", manifests.SLEEP, livenessProbe=asked | {"exec": {"command": ["true"]}})
        policy = self.dice.choice(("Always", "OnFailure"))
        return manifests.pod(
            name, web, side, restartPolicy=policy, volumes=[self.book.volume()], labels={"kind": "steady"}
        )

    def short(self, name: str) -> Json:
        """Two containers that end by themselves, each with an exit code that its name tells."""
        wanted = [self.dice.choice((0, 0, 3, 77)) for _ in range(2)]
        containers = [
            noted(self.book, f"c{number}-{code}", f"sleep {self.dice.uniform(0, 1):.2f}; exit {code}")
            for number, code in enumerate(wanted)
        ]
        return manifests.pod(
            name, *containers, restartPolicy="Never", volumes=[self.book.volume()], labels={"kind": "short"}
        )

    def remove(self) -> None:
        if self.wanted:
            name = self.dice.choice(sorted(self.wanted))
            del self.wanted[name]
            self.node.discard(name, grace=self.dice.choice((None, 1, 0)))

    def refill(self) -> None:
        while len(self.wanted) < self.count:
            self.add()

    # The blows.

    def kill_container(self) -> None:
        self._strike(lambda pod: self.node.container_pids(pod, "web")[0], counted=False, kind="steady")

    def kill_shim(self) -> None:
        self._strike(self.node.shim_pid)

    def kill_pause(self) -> None:
        self._strike(self.node.pause_pid)

    def kill_fork_server(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            instance.kill(self.node.fork_server_pid())

    def kill_kubelet(self) -> None:
        self.kubelets += 1
        self.node.kill_kubelet()
        self.node.start_kubelet()

    def _strike(self, find: Any, *, counted: bool = True, kind: str = "") -> None:
        """Where the process is not there (yet, or any more) nothing is struck."""
        fresh = sorted(
            name
            for name in set(self.wanted) - self.struck
            if kind in ("", self.wanted[name]["metadata"]["labels"]["kind"])
        )
        if not fresh:
            return
        name = self.dice.choice(fresh)
        self.struck.add(name)  # a second blow would bring back-off
        with contextlib.suppress(ValueError, OSError, KeyError, IndexError, Refusal):
            instance.kill(find(self.node.pod(name)))

    # What must hold.

    def check(self, seconds: float = 60) -> None:
        """Everything settles, nothing ran twice, and no exit code is wrong."""
        for name, manifest in self.wanted.items():
            if manifest["metadata"]["labels"]["kind"] == "steady":
                pod = self.node.wait_for(name, pods.is_ready, "to be ready after the churn", seconds)
            else:
                pod = self.node.wait_for(name, pods.has_ended, "to have ended after the churn", seconds)
                self.check_ends(name, pod)
            self.check_starts(name, pod)
        wait.wait_until(lambda: set(self.node.pods()) == set(self.wanted), "only the wanted pods to be there", seconds)

    def check_ends(self, name: str, pod: Json) -> None:
        for container, status in pods.statuses(pod).items():
            ended = status["state"].get("terminated")
            if ended is None:  # pause died between the launch of another one and its own
                assert name in self.struck, f"{name}/{container}: {status}"
                assert "waiting" in status["state"], f"{name}/{container}: {status}"
                assert status["restartCount"] == 0
                continue
            said = (ended["exitCode"], ended["reason"])
            code = int(container.rpartition("-")[2])
            right = (code, "Completed" if code == 0 else "Error")
            allowed = {right, UNKNOWN, UNBORN, (137, "Error")} if name in self.struck else {right}
            assert said in allowed, (
                f"{name}/{container} ended as {said}, not {allowed}\n{self.node.kubelet_log()[-3000:]}"
            )
            assert status["restartCount"] == 0

    def check_starts(self, name: str, pod: Json) -> None:
        """A run that was killed before its first instruction wrote nothing; nobody may have written twice."""
        for container, status in pods.statuses(pod).items():
            attempts = status["restartCount"] + 1
            least = 0 if name in self.struck else attempts
            if "running" in status["state"]:
                wait.wait_until(
                    lambda least=least, container=container: self.book.starts(name, container) >= least,
                    f"{name}/{container} to write down its start",
                )
            wait.wait_until(  # the status of a start comes after its first instruction
                lambda container=container: self.book.starts(name, container) <= self.attempts(name, container),
                f"{name}/{container} to have as many attempts as starts",
            )
            wrote = self.book.starts(name, container)
            assert wrote >= least, f"{name}/{container}: {attempts} attempts, {wrote} starts"

    def attempts(self, name: str, container: str) -> int:
        return pods.restarts(self.node.pod(name), container) + 1

    def end(self) -> None:
        for name in self.wanted:
            self.node.discard(name, grace=0)
        self.node.wait_gone(*self.wanted, seconds=60)
        wait.wait_until(lambda: self.node.remains() == [], "the files of all pods to be gone", 30)


def act(churn: Churn, weights: dict[str, int], until: float) -> Counter[str]:
    """Acts, drawn by weight, until the moment (monotonic). What was done how often."""
    done: Counter[str] = Counter()
    while time.monotonic() < until:
        (name,) = churn.dice.choices(list(weights), list(weights.values()))
        getattr(churn, name)()
        done[name] += 1
        churn.refill()
        time.sleep(churn.dice.uniform(0, 0.2))
    return done
