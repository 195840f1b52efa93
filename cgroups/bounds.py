"""What the kernel holds a group to now, read back from v2 or v1, whichever has the controller."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from cgroups import files
from cgroups.limits import weight_from_shares

V1_UNLIMITED = 1 << 62  # bytes; v1 shows the largest number of pages that it can count


@dataclass(frozen=True, slots=True)
class Bounds:
    """In v2's words, bytes and thousandths of a processor. None: no limit, or no such controller for this group."""

    cpu_weight: int | None
    cpu_milli: int | None
    memory_max: int | None
    pids_max: int | None


def read(v2: str, cpu_v1: str | None, memory_v1: str | None, pids_v1: str | None) -> Bounds:
    """The directories of one group, as in stats.Places."""
    if cpu_v1 is None:
        weight = _number(f"{v2}/cpu.weight")
        quota, _, period = _text(f"{v2}/cpu.max").partition(" ")
    else:
        shares = _number(f"{cpu_v1}/cpu.shares")
        weight = None if shares is None else weight_from_shares(shares)
        quota, period = _text(f"{cpu_v1}/cpu.cfs_quota_us"), _text(f"{cpu_v1}/cpu.cfs_period_us")
    memory = _number(f"{v2}/memory.max" if memory_v1 is None else f"{memory_v1}/memory.limit_in_bytes")
    return Bounds(
        cpu_weight=weight,
        cpu_milli=int(quota) * 1000 // int(period) if quota.isdigit() and period.isdigit() else None,
        memory_max=None if memory is None or memory >= V1_UNLIMITED else memory,
        pids_max=_number(f"{pids_v1 or v2}/pids.max"),
    )


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return files.read(path).strip()
    return ""


def _number(path: str) -> int | None:
    """None for "max", and for a file that is not there."""
    text = _text(path)
    return int(text) if text.isdigit() else None
