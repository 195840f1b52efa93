"""What one pod costs beside its programs: PSS of its shim and pause, and once for the node of kubelet and fork server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Row
from bench.stage import Stage
from podrun.errors import PodrunError

PODS = 10
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def pss(pid: int) -> float:
    """MiB, proc_pid_smaps_rollup(5)."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    if found is None:
        raise PodrunError(f"cannot read the memory of process {pid}")
    return int(found[1]) / 1024


def measure(stage: Stage) -> Iterator[Row]:
    node, podman = stage.node, stage.podman
    names = [f"memory-{number}" for number in range(PODS)]
    manifest = stage.manifest(*names)
    node.start_pods(manifest, PODS)
    pods = [node.pod(name) for name in names]
    own = [pss(node.shim_pid(pod)) + pss(node.pause_pid(pod)) for pod in pods]
    assert node.kubelet is not None
    once = [pss(node.kubelet.pid), pss(node.fork_server_pid())]
    for name in names:
        node.delete_pod(name)
    podman.run("play", "kube", manifest)
    monitors = sum(pss(pid) for pid in _monitors(str(podman.directory)))
    pauses = sum(pss(container["Pid"]) for container in podman.containers() if container["IsInfra"])
    podman.run("pod", "rm", "--all", "--force", "--time", "0")
    theirs = [(monitors + pauses) / PODS]
    yield Row(
        "memory beside the programs of a two-container pod: shim and pause",
        "MiB",
        {"podrun": own, "3 conmon, catatonit": theirs},
        note=f"PSS, {PODS} pods running.",
    )
    yield Row(f"memory once per node, {PODS} pods running: kubelet", "MiB", {"podrun": once[:1]})
    yield Row("the same: fork server", "MiB", {"podrun": once[1:]})


def _monitors(mark: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            words = (entry / "cmdline").read_bytes().split(b"\0") if (entry / "cmdline").exists() else []
            if words[0:1] and words[0].endswith(b"conmon") and mark.encode() in b" ".join(words):
                yield int(entry.name)
