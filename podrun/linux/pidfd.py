"""What a pidfd tells: whether its process lives, and how it ended."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass

_P_PIDFD = 3


@dataclass(frozen=True, slots=True)
class Ended:
    code: int  # 0 to 255; 128 + N after signal N
    signal: int  # 0 when it exited by itself


def has_ended(pidfd: int) -> bool:
    """Whether the process has ended; a zombie has. pidfd_open(2)."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def reap(pidfd: int, *, wait: bool = False) -> Ended | None:
    """How a child ended, taken from the kernel once; None while it runs. ChildProcessError: not ours, or reaped."""
    result = os.waitid(_P_PIDFD, pidfd, os.WEXITED | (0 if wait else os.WNOHANG))
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return Ended(result.si_status & 0xFF, 0)
    return Ended(128 + result.si_status, result.si_status)
