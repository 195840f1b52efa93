"""What all rows share: a machine-wide quiet place (own network and mount namespace), files, podrun, the peers."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import IMAGE, OciRuntime, PeersNamespace, Podman
from bench.podrun_node import Node
from podrun.linux import mount, namespaces
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import MountFlag
from tests import names
from tests.images import make_busybox_root

PROGRAM = "/bin/beacon"
SOURCES = ("beacon", "flood", "wire")


@dataclass(slots=True)
class Stage:
    directory: Path
    root: Path
    node: Node
    podman: Podman
    crun: OciRuntime
    runc: OciRuntime
    quick: bool

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 15

    def manifest(self, *pods: str) -> Path:
        """A file with pods of two containers each."""
        path = self.directory / f"{pods[0]}-{len(pods)}.yaml"
        path.write_text("---\n".join(pod_text(pod) for pod in pods))
        return path


def pod_of(name: str, *command: str) -> dict[str, Any]:
    """One container with this command, as an object."""
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def pod_text(name: str) -> str:
    image = f"image: {IMAGE}, imagePullPolicy: IfNotPresent"
    containers = "".join(f'  - {{name: {each}, {image}, command: ["{PROGRAM}"]}}\n' for each in ("one", "two"))
    return f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n{containers}"


@contextlib.contextmanager
def opened(*, quick: bool) -> Iterator[Stage]:
    """Everything of it is gone at the end."""
    os.environ.setdefault(names.VARIABLE, names.new_suite())
    _isolate()
    directory = Path(tempfile.mkdtemp(prefix="podrun-bench-", dir="/var/tmp"))
    theirs = PeersNamespace()
    podman = Podman(theirs, directory / "podman")
    try:
        root = make_busybox_root(directory / "root")
        for name in SOURCES:
            source = Path(__file__).with_name(f"{name}.c")
            subprocess.run(["gcc", "-Os", "-s", "-static", "-o", root / "bin" / name, source], check=True)
        podman.prepare(root)
        with Node(directory) as node:
            node.import_image(root, IMAGE)
            crun, runc = (OciRuntime(name, theirs, directory / name, root) for name in ("crun", "runc"))
            stage = Stage(directory, root, node, podman, crun, runc, quick)
            # One pod stays in each: the rows are about the next pod, not about the first, which makes a bridge.
            resident = stage.manifest("resident")
            node.start_pods(resident)
            podman.run("play", "kube", resident)
            yield stage
    finally:
        podman.clean_up()
        theirs.close()
        shutil.rmtree(directory, ignore_errors=True)


def _isolate() -> None:
    """Bridges, addresses, firewalls and mounts of all of them stay among themselves."""
    namespaces.unshare(CloneFlag.NEWNET | CloneFlag.NEWNS)
    mount.mount("none", "/", flags=MountFlag.PRIVATE | MountFlag.REC)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
