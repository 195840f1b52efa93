"""close_range(2): no descriptor survives that nobody named."""

from __future__ import annotations

from collections.abc import Iterable
from ctypes import c_int, c_uint

from podrun.linux.syscall import NR_CLOSE_RANGE, check, declare_syscall

_LAST = 0xFFFFFFFF

_close_range = declare_syscall(NR_CLOSE_RANGE, c_uint, c_uint, c_int)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor of the process save `kept`. Linux 5.9."""
    first = 0
    for fd in sorted(set(kept)):
        if fd > first:
            check(_close_range(first, fd - 1, 0), "close_range", first, fd - 1)
        first = fd + 1
    check(_close_range(first, _LAST, 0), "close_range", first, _LAST)
