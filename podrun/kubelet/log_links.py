"""`<log-dir>/containers/<pod>_<namespace>_<container>-<id>.log`: where collectors made for Kubernetes find the logs.

Links to the files in `pods/` (pkg/kubelet/kuberuntime, legacy.go). Nothing here writes or removes a log.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from podrun.api import objects

_LONGEST_NAME = 255 - len(".log")


def name(pod: objects.Pod, container: str, id: str) -> str:
    meta = pod.metadata
    return f"{meta.name}_{meta.namespace}_{container}-{id}"[:_LONGEST_NAME] + ".log"


def link(log_dir: Path, link_name: str, log_file: Path) -> None:
    """Raises OSError."""
    directory = log_dir / "containers"
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink(log_file, directory / link_name)


def remove(log_dir: Path, pod_log_dir: Path, *, container: str = "", kept: int = -1) -> None:
    """Links into a pod's directory: all, or those of one container but for the run `kept`."""
    with contextlib.suppress(FileNotFoundError), os.scandir(log_dir / "containers") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another pod's, which is being removed, too
                if entry.is_symlink() and _is_meant(os.readlink(entry.path), f"{pod_log_dir}/", container, kept):
                    os.unlink(entry.path)


def _is_meant(target: str, pod_log_dir: str, container: str, kept: int) -> bool:
    if not target.startswith(pod_log_dir):
        return False
    return not container or (target.startswith(f"{pod_log_dir}{container}/") and not target.endswith(f"/{kept}.log"))
