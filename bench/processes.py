"""What processes hold and have used, from /proc."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from podrun.errors import PodrunError

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def pss(pid: int) -> float:
    """MiB, proc_pid_smaps_rollup(5)."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    if found is None:
        raise PodrunError(f"cannot read the memory of process {pid}")
    return int(found[1]) / 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all their threads that live; to the nanosecond, unlike proc_pid_stat(5)."""
    spent = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def monitors(mark: str) -> Iterator[int]:
    """The conmon processes that have `mark` among their arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            words = (entry / "cmdline").read_bytes().split(b"\0") if (entry / "cmdline").exists() else []
            if words[0:1] and words[0].endswith(b"conmon") and mark.encode() in b" ".join(words):
                yield int(entry.name)
