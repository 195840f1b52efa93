"""Which unused images go when the disk fills up. Pure.

Rules: pkg/kubelet/images/image_gc_manager.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """Above `high` percent of the disk images go until it is at `low`; none that came in the last `age` seconds.

    A `high` of 100 means never.
    """

    high: int
    low: int
    age: float


@dataclass(frozen=True, slots=True)
class Record:
    """Seconds, by a clock that nobody sets. `used_at` 0: never since this kubelet started."""

    seen_at: float
    used_at: float = 0.0


def renewed(
    records: Mapping[str, Record], present: Collection[str], used: Collection[str], now: float
) -> dict[str, Record]:
    """What is known of the images (by id) that are there now."""
    found = {}
    for id in present:
        record = records.get(id, Record(now))
        found[id] = Record(record.seen_at, now) if id in used else record
    return found


def to_free(available: int, capacity: int, policy: ImagePolicy) -> int:
    """Bytes by which the disk is too full; 0: it is not."""
    if policy.high >= 100 or capacity <= 0 or 100 - available * 100 // capacity < policy.high:
        return 0
    return max(capacity * (100 - policy.low) // 100 - available, 0)


def removable(records: Mapping[str, Record], used: Collection[str], now: float, policy: ImagePolicy) -> list[str]:
    """Ids of the images that may go: who was used longest ago first, then who is here longest."""
    unused = [(record.used_at, record.seen_at, id) for id, record in records.items() if id not in used]
    return [id for _, seen_at, id in sorted(unused) if now - seen_at >= policy.age]
