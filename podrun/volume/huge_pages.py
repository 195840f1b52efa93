"""emptyDir on huge pages: what this machine has of them."""

from __future__ import annotations

from pathlib import Path

from podrun.errors import PodrunError

POOLS = Path("/sys/kernel/mm/hugepages")  # Documentation/admin-guide/mm/hugetlbpage.rst


def check(size: int) -> None:
    """PodrunError where the machine has no pages of `size` bytes."""
    pool = POOLS / f"hugepages-{size >> 10}kB" / "nr_hugepages"
    try:
        count = int(pool.read_text())
    except (OSError, ValueError):
        count = 0
    if count == 0:
        raise PodrunError(f"this node has no huge pages of {size >> 10} KiB, see {pool}")
