"""crun, runc and podman with state of their own, in a mount namespace of their own.

There cgroup v2 is not mounted beside v1: crun refuses hybrid hosts that have controllers in both.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cgroups import hierarchies
from podrun.linux import mount, namespaces
from podrun.linux.clone3 import CloneFlag

IMAGE = "localhost/bench:1"


class PeersNamespace:
    """Entered around each command of a peer, so that the command itself pays nothing for it."""

    def __init__(self) -> None:
        self._own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        namespaces.unshare(CloneFlag.NEWNS)
        found = hierarchies.current()
        if found.mode != "v2":
            mount.umount_detach(found.unified.point)
        os.makedirs("/run/netns", exist_ok=True)
        mount.mount("none", "/run/netns", "tmpfs")
        self._theirs = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        namespaces.setns(self._own, CloneFlag.NEWNS)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        namespaces.setns(self._theirs, CloneFlag.NEWNS)
        try:
            yield
        finally:
            namespaces.setns(self._own, CloneFlag.NEWNS)

    def close(self) -> None:
        os.close(self._theirs)
        os.close(self._own)


@dataclass(frozen=True, slots=True)
class Ran:
    started: int  # CLOCK_MONOTONIC, nanoseconds
    milliseconds: float
    output: str


def run(words: Sequence[Any], environment: dict[str, str] | None = None) -> Ran:
    """A whole process, timed. RuntimeError with its words when it fails."""
    started = time.monotonic_ns()
    result = subprocess.run(words, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    milliseconds = (time.monotonic_ns() - started) / 1e6
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {result.stderr}{result.stdout}")
    return Ran(started, milliseconds, result.stdout)


@dataclass(slots=True)
class OciRuntime:
    """`crun run` or `runc run` of one bundle, which joins the namespaces of a pause process that is there already."""

    name: str
    namespace: PeersNamespace
    directory: Path
    root: Path
    _count: int = 0

    def prepare(self, argv: Sequence[str], pause: int) -> None:
        self.directory.mkdir(exist_ok=True)
        with self.namespace.entered():
            (self.directory / "config.json").unlink(missing_ok=True)
            subprocess.run([self.name, "spec", "--bundle", self.directory], check=True)
        place = self.directory / "config.json"
        config = json.loads(place.read_text())
        config["root"] = {"path": str(self.root), "readonly": False}
        config["process"] |= {"terminal": False, "args": list(argv), "rlimits": []}
        for each in config["linux"]["namespaces"]:
            kind = {"network": "net"}.get(each["type"], each["type"])
            if kind in ("net", "ipc", "uts"):
                each["path"] = f"/proc/{pause}/ns/{kind}"
        config.pop("hostname", None)
        place.write_text(json.dumps(config))

    def run(self) -> Ran:
        """From the command to its end; the output is the program's."""
        self._count += 1
        state = self.directory / "state"
        words = [self.name, "--root", state, "run", "--bundle", self.directory, f"bench-{os.getpid()}-{self._count}"]
        with self.namespace.entered():
            return run(words)


@dataclass(slots=True)
class Podman:
    """podman with crun, its storage and networks beneath `directory`; no event log."""

    namespace: PeersNamespace
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self, root: Path) -> None:
        """The image made from the same files."""
        self.directory.mkdir()
        containers, storage = self.directory / "containers.conf", self.directory / "storage.conf"
        # Ulimits: their defaults need CAP_SYS_RESOURCE, which some machines lack.
        containers.write_text(
            '[engine]\nruntime = "crun"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
            f'tmp_dir = "{self.directory}/tmp"\n'
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            f'[network]\nnetwork_config_dir = "{self.directory}/networks"\n'
        )
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.directory}/storage"\nrunroot = "{self.directory}/run"\n'
        )
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(containers),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }
        archive = self.directory / "root.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        self.run("import", archive, IMAGE)

    def run(self, *words: str | Path) -> Ran:
        with self.namespace.entered():
            return run(("podman", *words), self.environment)

    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("ps", "--all", "--format", "json").output or "[]")
        return found

    def remove_pods(self, names: Sequence[str]) -> None:
        """By several commands at once: on hosts with cgroup v1 each pod's removal waits three seconds."""
        with self.namespace.entered():
            words = ("podman", "pod", "rm", "--force", "--time", "0")
            removing = [
                subprocess.Popen([*words, *names[start::10]], env=self.environment, stdout=subprocess.DEVNULL)
                for start in range(min(10, len(names)))
            ]
        for process in removing:
            process.wait()

    def clean_up(self) -> None:
        """Its pods, its control group, its storage."""
        with contextlib.suppress(RuntimeError):
            self.run("pod", "rm", "--all", "--force", "--time", "0")
        with contextlib.suppress(RuntimeError):
            self.run("system", "reset", "--force")
        for hierarchy in Path("/sys/fs/cgroup").iterdir():
            with contextlib.suppress(OSError):
                (hierarchy / "libpod_parent").rmdir()  # where it is empty, which other pods' is not
