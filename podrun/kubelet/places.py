"""Where one pod's things are: directories, cgroups, log files. Pure; every name follows from the pod."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from podrun.api import objects
from podrun.kubelet import resources
from podrun.paths import Paths


@dataclass(frozen=True, slots=True)
class PodPlace:
    """One pod's part of the instance. `cgroup` and `shim_cgroup` are group paths, the rest directories."""

    uid: str
    run_dir: Path
    pod_dir: Path
    log_dir: Path
    cgroup: str
    shim_cgroup: str
    first_id: int = 0  # of its user namespace: what root is there, is this on the machine; 0: it has none

    @property
    def etc(self) -> Path:
        """On the disk: containers may write to these files, and could fill the memory behind /run."""
        return self.pod_dir / "etc"

    @property
    def shim_socket(self) -> Path:
        return self.run_dir / "shim.sock"

    @property
    def journal(self) -> Path:
        return self.run_dir / "journal"

    def environment(self, container: str, attempt: int) -> Path:
        """The variables of one run, for commands that join it later."""
        return self.run_dir / "environment" / f"{container}.{attempt}"

    @property
    def pause_cgroup(self) -> str:
        return f"{self.cgroup}/pause"

    def container_cgroup(self, id: str) -> str:
        return f"{self.cgroup}/{id}"

    def held(self, volume: str) -> Path:
        """Where the shim mounts a volume in memory, in its own mount namespace."""
        return self.run_dir / "held" / volume

    @property
    def written(self) -> Path:
        """Likewise for all volumes whose files podrun writes, a directory each. No volume has such a name."""
        return self.run_dir / "held" / "WRITTEN"

    @property
    def volumes(self) -> Path:
        return self.pod_dir / "volumes"

    def volume(self, kind: str, name: str) -> Path:
        return self.volumes / kind / name

    def container(self, name: str) -> Path:
        """What its runs write, volumes and logs apart."""
        return self.pod_dir / "containers" / name

    def upper(self, container: str, attempt: int) -> Path:
        """The writable layer of one run, as image/snapshots.py lays it out."""
        return self.container(container) / str(attempt) / "upper"

    def work(self, container: str, attempt: int) -> Path:
        return self.upper(container, attempt).parent / "work"

    def termination_log(self, container: str, attempt: int) -> Path:
        return self.container(container) / f"{attempt}.termination-log"

    def log_file(self, container: str, attempt: int) -> Path:
        return self.log_dir / container / f"{attempt}.log"


def place_of(pod: objects.Pod, paths: Paths, cgroup_parent: str, first_id: int = 0) -> PodPlace:
    """`cgroup_parent` is the resolved one (cgroups.delegation), not the setting."""
    meta = pod.metadata
    return PodPlace(
        uid=meta.uid,
        run_dir=paths.pod_run_dir(meta.uid),
        pod_dir=paths.pod_dir(meta.uid),
        log_dir=paths.pod_log_dir(meta.namespace, meta.name, meta.uid),
        cgroup=resources.cgroup_of_pod(cgroup_parent, pod.spec, meta.uid),
        shim_cgroup=f"{cgroup_parent}/shims/{meta.uid}",
        first_id=first_id,
    )
