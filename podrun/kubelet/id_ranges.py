"""Which ids of the machine the user namespace of each pod has (hostUsers: false): 65536, and no two pods the same.

A range is in a file of its pod before anything is made with it, so the next kubelet knows it, and goes with the pod.
As the kubelet's (pkg/kubelet/userns), but for its limit: there are more ranges than a machine has pods.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from podrun.api import objects
from podrun.container.plan import ID_COUNT

FILE = "first-id"


class IdRanges:
    def __init__(self, pods_dir: Path, reserved: Sequence[range] = ()) -> None:
        """`pods_dir` has a directory for each pod; `reserved` are ids of others."""
        self._reserved = reserved
        self._held: dict[str, int] = {}
        for file in pods_dir.glob(f"*/{FILE}"):
            with contextlib.suppress(OSError, ValueError):
                self._held[file.parent.name] = int(file.read_text())

    def first_id(self, pod: objects.Pod) -> int:
        """Of the pod's range, chosen when asked for the first time; 0 where it has the machine's users."""
        if pod.spec.host_users is not False:
            return 0
        return self._held.setdefault(pod.metadata.uid, lowest_free(set(self._held.values()), self._reserved))

    def release(self, uid: str) -> None:
        self._held.pop(uid, None)


def lowest_free(taken: set[int], reserved: Sequence[range] = ()) -> int:
    """The first range is the machine's own."""
    first = ID_COUNT
    while first in taken or any(ids.start < first + ID_COUNT and first < ids.stop for ids in reserved):
        first += ID_COUNT
    return first


def subordinate_ids(files: Sequence[Path] = (Path("/etc/subuid"), Path("/etc/subgid"))) -> tuple[range, ...]:
    """What users of the machine have for containers of their own, subuid(5)."""
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            for line in file.read_text(errors="replace").splitlines():
                _, *numbers = line.split(":")
                if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
                    found.append(range(int(numbers[0]), int(numbers[0]) + int(numbers[1])))
    return tuple(found)


def keep(pod_dir: Path, first_id: int) -> None:
    """Before anything is made with it; done again it changes nothing. Raises OSError."""
    path = pod_dir / FILE
    if not first_id or path.exists():
        return
    pod_dir.mkdir(parents=True, exist_ok=True)
    fresh = pod_dir / f"{FILE}.new"
    with open(fresh, "w", encoding="ascii") as file:
        file.write(str(first_id))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
