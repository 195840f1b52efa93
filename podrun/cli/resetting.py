"""`podrun system reset`: the kubelet deletes its pods and what the kernel holds for them; then the files go.

Where the kubelet can't be started or does not manage, what runs is ended through the control group that holds it all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

from podrun.cli import starting, stopping, watching
from podrun.cli.client import Client
from podrun.cli.failures import StatusFailure
from podrun.cli.resources import POD
from podrun.errors import PodrunError
from podrun.paths import Paths

PATIENCE = 60.0
"""Seconds for all pods to be gone."""

PRECIOUS = ("/", "/var", "/var/lib", "/var/log", "/run", "/etc", "/usr", "/home", "/root", "/tmp", "/srv", "/opt")


def reset(paths: Paths) -> None:
    """PodrunError: not root, a root that can't be ours, or a kubelet that does not end."""
    if os.geteuid() != 0:
        raise PodrunError("cannot reset: must be run as root", hint="use sudo")
    for directory in (paths.root, paths.run_dir):
        if str(directory.resolve()) in PRECIOUS:
            raise PodrunError(f"cannot reset: {directory} is not podrun's alone")
    uids = _known_uids(paths)
    try:
        client = Client(str(paths.socket))
        if not client.is_up():
            starting.start(paths)
        _delete_pods(client, uids)
        stopping.stop(paths)
    except PodrunError as error:
        print(f"{error.message}\ngoing on without the kubelet", file=sys.stderr)
        stopping.stop(paths)
        _end_by_hand(paths)
    _remove_logs(paths.log_dir, uids)
    for directory in (paths.run_dir, paths.root):
        _remove(directory)


def _known_uids(paths: Paths) -> set[str]:
    """Pods that left something on the disk."""
    found: set[str] = set()
    for directory in (paths.root / "pods", paths.run_dir / "pods"):
        with contextlib.suppress(OSError):
            found |= set(os.listdir(directory))
    return found


def _delete_pods(client: Client, uids: set[str]) -> None:
    """With a grace of one second: the kubelet itself ends them, and all that is theirs goes. Adds them to `uids`."""
    pods = client.get(POD.list_path(None)).get("items") or []
    awaited = []
    for pod in pods:
        metadata = pod["metadata"]
        with contextlib.suppress(StatusFailure):
            client.ask("DELETE", POD.path(metadata["namespace"], metadata["name"]), {"gracePeriodSeconds": 1})
        uids.add(metadata["uid"])
        awaited.append((POD, metadata["namespace"], metadata["name"], metadata["uid"]))
        print(f'pod "{metadata["name"]}" deleted')
    watching.await_gone(client, awaited, PATIENCE)


def _end_by_hand(paths: Paths) -> None:
    from podrun.server import last_resort  # all of podrun below the kubelet: only for this

    for problem in last_resort.end(paths):
        print(problem, file=sys.stderr)


def _remove_logs(log_dir: Path, uids: set[str]) -> None:
    """Only what is these pods': the directories belong to whoever else logs there, too."""
    with contextlib.suppress(OSError):
        for entry in list((log_dir / "pods").iterdir()):
            if entry.name.rpartition("_")[2] in uids:
                _remove(entry)
    with contextlib.suppress(OSError):
        for link in list((log_dir / "containers").iterdir()):
            target = os.readlink(link) if link.is_symlink() else ""
            if any(f"_{uid}/" in target for uid in uids):
                link.unlink()
    for directory in (log_dir / "pods", log_dir / "containers"):
        with contextlib.suppress(OSError):
            directory.rmdir()  # Only if nothing is left in it.


def _remove(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno == errno.EBUSY and str(error.filename) == str(directory):
            return  # a mount point, empty now: somebody else put it there
        raise PodrunError(f"cannot remove {error.filename or directory}: {error.strerror}") from error
