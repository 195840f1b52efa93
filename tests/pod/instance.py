"""An isolated podrun on this machine, for tests: own directories, control group, bridge and addresses, own kubelet."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from cgroups import hierarchies
from cgroups.group import Group
from podrun.linux import pidfd
from podrun.paths import Paths
from tests import leaks, names, wait
from tests.pod import api
from tests.pod.api import Json, Refusal

COMMAND = Path(sys.executable).with_name("podrun")
NAMESPACE = "/api/v1/namespaces/default"
NETWORKS = tuple(IPv4Network("10.200.0.0/14").subnets(new_prefix=24))


class Instance:
    """Use `with`: at the end everything is deleted and nothing may be left."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.mark = names.unique("")
        directory = directory / self.mark
        directory.mkdir()
        self.directory = directory
        self._claim, network = claimed_network()
        chosen = {
            "root": directory / "root",
            "run_dir": directory / "run",
            "log_dir": directory / "log",
            "manifest_dir": directory / "manifests",
            "cgroup_parent": f"/podrun-{self.mark}",
            "bridge": f"pr{self.mark}",
            "pod_cidr": str(network),
            "image_gc_high_threshold": "100",
            "eviction_hard": "none",  # the machine may be short of anything; tests of eviction say their own
        }
        self.paths = Paths(**(chosen | settings))
        self.environment = {**os.environ, **self.paths.environment()}
        self.kubelet_command = [str(COMMAND)]
        self.kubelet: subprocess.Popen[bytes] | None = None
        self.log = directory / "kubelet.log"

    def __enter__(self) -> Instance:
        try:
            self.start_kubelet()
        except BaseException:
            self._end_kubelet()
            self._claim.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.clean_up()
        finally:
            self._end_kubelet()
            self._claim.close()
        self.check_nothing_is_left()

    # The kubelet.

    def start_kubelet(self) -> None:
        """In the foreground, as our child; returns when it serves."""
        self.launch_kubelet()
        wait.wait_until(self._serves, f"the kubelet to serve; its log:\n{self.kubelet_log()}", 30)

    def launch_kubelet(self) -> None:
        with self.log.open("ab") as log:
            self.kubelet = subprocess.Popen(
                [*self.kubelet_command, "kubelet"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _serves(self) -> bool:
        assert self.kubelet is not None
        assert self.kubelet.poll() is None, f"the kubelet ended with {self.kubelet.returncode}:\n{self.kubelet_log()}"
        try:
            return self.request("GET", "/readyz") == {"text": "ok"}
        except OSError:
            return False

    def stop_kubelet(self) -> int:
        """SIGTERM; its exit code. Pods run on."""
        assert self.kubelet is not None
        self.kubelet.terminate()
        return self.kubelet.wait(wait.patient(30))

    def kill_kubelet(self) -> None:
        """SIGKILL, as sudden as a machine can be with a process."""
        assert self.kubelet is not None
        self.kubelet.kill()
        self.kubelet.wait(wait.patient(30))

    def restart_kubelet(self) -> None:
        if self.kubelet is not None and self.kubelet.poll() is None:
            self.stop_kubelet()
        self.start_kubelet()

    def kubelet_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # Commands and the API.

    def run(
        self, *words: str | Path, stdin: bytes | str | None = None, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """`podrun WORDS`. With `check`, its exit code must be 0. It must never show a traceback."""
        sent = stdin.encode() if isinstance(stdin, str) else stdin
        result = subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            capture_output=True,
            timeout=wait.patient(120),
            **({"input": sent} if sent is not None else {"stdin": subprocess.DEVNULL}),
            **options,
        )
        text = subprocess.CompletedProcess(
            result.args,
            result.returncode,
            result.stdout.decode(errors="replace"),
            result.stderr.decode(errors="replace"),
        )
        assert "Traceback" not in text.stderr, text.stderr
        assert not check or text.returncode == 0, f"{words}: exit code {text.returncode}\n{text.stdout}\n{text.stderr}"
        return text

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> Json:
        return api.request(self.paths.socket, method, path, body, content_type)

    def apply(self, *manifests: Json | str, wait: bool = False) -> subprocess.CompletedProcess[str]:
        """`podrun apply -f -`; with `wait` until they are all Ready or have succeeded."""
        texts = [each if isinstance(each, str) else json.dumps(each) for each in manifests]
        return self.run("apply", *(["--wait"] if wait else []), "-f", "-", stdin="\n---\n".join(texts))

    def submit(self, *manifests: Json) -> None:
        """What `apply` does, without a process: for tests with many pods."""
        text = "\n---\n".join(json.dumps(each) for each in manifests)
        answer = self.request("PATCH", "/podrun/v1/apply", text.encode(), "application/apply-patch+yaml")
        errors = [each["error"] for each in answer["results"] if each["error"]]
        assert not errors, errors

    def discard(self, name: str, grace: int | None = None) -> None:
        """DELETE, without waiting for the end. A pod that is gone already is fine."""
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        try:
            self.request("DELETE", f"{NAMESPACE}/pods/{name}{query}")
        except Refusal as refusal:
            if refusal.code != 404:
                raise

    def pods(self) -> dict[str, Json]:
        """All pods of all namespaces, by name."""
        return {pod["metadata"]["name"]: pod for pod in self.request("GET", "/api/v1/pods")["items"]}

    def pod(self, name: str) -> Json:
        """Refusal with code 404: there is none."""
        return self.request("GET", f"{NAMESPACE}/pods/{name}")

    def find_pod(self, name: str) -> Json | None:
        try:
            return self.pod(name)
        except Refusal as refusal:
            if refusal.code == 404:
                return None
            raise

    def wait_for(self, name: str, condition: Callable[[Json], object], what: str, seconds: float = 20) -> Json:
        """The pod as soon as the condition holds."""
        seen: list[Json] = []

        def holds() -> bool:
            seen[:] = [self.pod(name)]
            return bool(condition(seen[0]))

        try:
            wait.wait_until(holds, f"pod {name}: {what}", seconds, step=0.02)
        except AssertionError as error:
            shown = json.dumps(seen[0].get("status") if seen else None, indent=1)
            events = "\n".join(self.events(name))
            text = f"{error}\nstatus: {shown}\nevents: {events}\nkubelet:\n{self.kubelet_log()[-3000:]}"
            raise AssertionError(text) from None
        return seen[0]

    def wait_for_uid_change(self, name: str, before: str, seconds: float = 20) -> Json:
        """The pod that has taken the name of another one, whose uid was `before`."""

        def is_another() -> bool:
            found = self.find_pod(name)
            return found is not None and found["metadata"]["uid"] != before

        wait.wait_until(is_another, f"another pod {name} to come", seconds, step=0.02)
        return self.pod(name)

    def wait_gone(self, *gone: str, seconds: float = 20) -> None:
        for name in gone:
            wait.wait_until(lambda name=name: self.find_pod(name) is None, f"pod {name} to be gone", seconds, step=0.02)

    def events(self, name: str) -> list[str]:
        """`REASON MESSAGE` of each event about a pod of this name."""
        found = self.request("GET", f"{NAMESPACE}/events")["items"]
        return [f"{each['reason']} {each['message']}" for each in found if each["involvedObject"]["name"] == name]

    def exec(self, name: str, *words: str, container: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """`podrun exec NAME [-c CONTAINER] -- WORDS`."""
        chosen = ["-c", container] if container else []
        return self.run("exec", name, *chosen, "--", *words, **options)

    def logs(self, name: str, container: str = "", *options: str) -> list[str]:
        """The lines that `podrun logs` shows."""
        chosen = ["-c", container] if container else []
        return self.run("logs", name, *chosen, *options).stdout.splitlines()

    def log_lines(self, pod: Json, container: str = "main", attempt: int = 0) -> list[str]:
        """A log file's lines without their CRI prefix; empty before there is one."""
        meta = pod["metadata"]
        path = self.paths.pod_log_dir(meta["namespace"], meta["name"], meta["uid"]) / container / f"{attempt}.log"
        text = path.read_text() if path.exists() else ""
        whole, _, _begun = text.rpartition("\n")  # one may be on its way
        return [line.split(" ", 3)[3] for line in whole.splitlines()]

    # Processes and control groups.

    @property
    def cgroup_parent(self) -> Group:
        return Group(self.paths.cgroup_parent, hierarchies.current())

    def pod_group(self, pod: Json) -> Group:
        middle = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}[pod["status"]["qosClass"]]
        return Group(f"{self.cgroup_parent.path}{middle}/pod{pod['metadata']['uid']}", hierarchies.current())

    def container_group(self, pod: Json, container: str = "main") -> Group:
        (status,) = (each for each in pod["status"]["containerStatuses"] if each["name"] == container)
        return self.pod_group(pod).child(status["containerID"].rpartition("/")[2])

    def container_pids(self, pod: Json, container: str = "main") -> list[int]:
        return self.container_group(pod, container).pids(tree=True)

    def pause_pid(self, pod: Json) -> int:
        (pid,) = self.pod_group(pod).child("pause").pids()
        return pid

    def shim_pid(self, pod: Json) -> int:
        (pid,) = self.cgroup_parent.child("shims").child(pod["metadata"]["uid"]).pids()
        return pid

    def kubelet_pids(self) -> list[int]:
        """The kubelet and the processes that work for it."""
        return self.cgroup_parent.child("kubelet").pids()

    def fork_server_pid(self) -> int:
        assert self.kubelet is not None
        (pid,) = (
            pid
            for pid in self.kubelet_pids()
            if parent_of(pid) == self.kubelet.pid and leaks.text(pid, "comm").strip() == "podrun-forks"
        )
        return pid

    # The end.

    def clean_up(self) -> None:
        """Delete what the test left, wait until the kubelet has taken it away, stop the kubelet."""
        assert self.kubelet is not None
        if self.kubelet.poll() is not None:
            self.start_kubelet()
        for name, pod in self.pods().items():
            namespace = pod["metadata"]["namespace"]
            with contextlib.suppress(Refusal):
                self.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0")
        leaf = self.cgroup_parent.child("kubelet").path
        others = wait_for_none(
            lambda: [group.path for group in self.cgroup_parent.children() if group.path != leaf], 20
        )
        assert not others, f"pods that do not go: {others}; kubelet:\n{self.kubelet_log()[-3000:]}"
        with contextlib.suppress(AssertionError):
            wait.wait_until(lambda: not self.remains(), "the files of all pods to be gone", 30)
        assert self.remains() == [], self.kubelet_log()[-3000:]
        assert self.stop_kubelet() == 0, self.kubelet_log()

    def remains(self) -> list[str]:
        """What is on disk although there is no pod."""
        paths = self.paths
        places = (paths.run_dir / "pods", paths.root / "pods", paths.log_dir / "pods", paths.log_dir / "containers")
        return [str(path) for place in places if place.is_dir() for path in place.iterdir()]

    def check_nothing_is_left(self) -> None:
        """Control groups, bridge, links, firewall, mounts, processes: nothing with this instance's mark."""
        found = wait_for_none(lambda: leaks.left_over(self.mark, besides=self.directory), 5)
        assert not found, "left behind:\n" + "\n".join(found)
        assert not self.remains()
        assert "Traceback" not in self.kubelet_log(), self.kubelet_log()

    def _end_kubelet(self) -> None:
        """The last resort, so that a failed test leaves nothing that runs."""
        if self.kubelet is not None and self.kubelet.poll() is None:
            self.kubelet.kill()
            self.kubelet.wait()
        with contextlib.suppress(Exception):
            if self.cgroup_parent.exists():
                self.cgroup_parent.kill()
                self.cgroup_parent.wait_empty(wait.patient(10))
                remove_tree(self.cgroup_parent)
                for words in (["ip", "link", "del", self.paths.bridge], firewall_removal(self.paths.bridge)):
                    subprocess.run(words, capture_output=True)


def firewall_removal(bridge: str) -> list[str]:
    return ["nft", "delete", "table", "inet", f"podrun-{bridge}"]


def remove_tree(group: Group) -> None:
    for child in group.children():
        remove_tree(child)
    group.remove()


def wait_for_none(look: Callable[[], list[str]], seconds: float) -> list[str]:
    """What is still there when the patience is over."""
    with contextlib.suppress(AssertionError):
        wait.wait_until(lambda: not look(), "nothing to be left", seconds, step=0.05)
    return look()


def claimed_network() -> tuple[socket.socket, IPv4Network]:
    """A network that no other test on this machine takes as long as the socket is open, and no route leads to."""
    for network in secrets.SystemRandom().sample(NETWORKS, len(NETWORKS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0podrun-test-network-{network}")
        except OSError:
            claim.close()
            continue
        if not any(network.overlaps(route) for route in routes()):
            return claim, network
        claim.close()
    raise AssertionError("no free network for a test")


def routes() -> Iterator[IPv4Network]:
    """All but the default route, proc_net(5)."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        if int(mask, 16):
            octets = bytes.fromhex(destination)[::-1]
            yield IPv4Network((octets, int(mask, 16).bit_count()))


def log_sizes(directory: Path) -> list[int]:
    """Of the log files in there, in bytes; those that a rotation took away meanwhile are left out."""
    sizes = []
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def parent_of(pid: int) -> int:
    fields = leaks.text(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def kill(pid: int) -> None:
    """SIGKILL by pidfd, and wait until the process is dead."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        wait.wait_until(lambda: pidfd.has_ended(descriptor), f"process {pid} to die", 10)
    finally:
        os.close(descriptor)
