"""close_range(2): no descriptor survives that nobody named."""

from __future__ import annotations

from collections.abc import Iterable

from podrun.linux.syscall import NR_CLOSE_RANGE, check, syscall

_LAST = 0xFFFFFFFF


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor of the process save `kept`. Linux 5.9."""
    first = 0
    for fd in sorted(set(kept)):
        if fd > first:
            check(syscall(NR_CLOSE_RANGE, first, fd - 1, 0), "close_range", first, fd - 1)
        first = fd + 1
    check(syscall(NR_CLOSE_RANGE, first, _LAST, 0), "close_range", first, _LAST)
