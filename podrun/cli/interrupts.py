"""Ctrl-C is heard whenever it comes, also in the moment before a wait begins.

CPython notes a signal and handles it between two of its own steps; a system call that begins in between would sleep
over it. Therefore long waits look at a pipe as well, to which CPython writes at once (signal.set_wakeup_fd).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from _signal import set_wakeup_fd  # type: ignore[import-not-found]
from _thread import get_native_id

_LONGEST = 86400.0  # seconds; poll(2) takes milliseconds of 31 bits
_noted = -1


def noted() -> int:
    """What becomes readable when a signal has come; -1 in other threads than the main one, as no handler runs there."""
    global _noted
    if get_native_id() != os.getpid():
        return -1
    if _noted < 0:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        set_wakeup_fd(write_end, warn_on_full_buffer=False)
        _noted = read_end
    return _noted


def watch(poll: select.poll) -> None:
    """Makes the poll return when a signal comes."""
    if (descriptor := noted()) >= 0:
        poll.register(descriptor, select.POLLIN)


def take_note() -> None:
    """The signal's handler has run by now."""
    if noted() >= 0:
        with contextlib.suppress(BlockingIOError):
            os.read(_noted, 1 << 10)


def wait_readable(descriptor: int, seconds: float | None = None) -> None:
    """TimeoutError after `seconds`."""
    deadline = None if seconds is None else time.monotonic() + seconds
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    watch(poll)
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        ready = [each for each, _ in poll.poll(None if left is None else min(max(left, 0), _LONGEST) * 1000)]
        if noted() in ready:
            take_note()
        if descriptor in ready:
            return
        if left is not None and left <= 0:
            raise TimeoutError
