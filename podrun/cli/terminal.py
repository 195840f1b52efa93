"""The user's own terminal while a remote one is shown on it: raw, its size passed on, and put back whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

Size = tuple[int, int]
"""Rows and columns."""


def is_terminal(descriptor: int) -> bool:
    return os.isatty(descriptor)


def size(descriptor: int) -> Size:
    """(0, 0) where it is not known."""
    with contextlib.suppress(OSError, termios.error):
        rows, columns = termios.tcgetwinsize(descriptor)
        return rows, columns
    return 0, 0


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Every key is passed on as it is; a signal that ends us leaves by SystemExit, so that what was is restored."""
    before = termios.tcgetattr(descriptor)
    handlers = {number: signal.signal(number, _leave) for number in _ENDING}
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # keys that were typed ahead stay
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


@contextlib.contextmanager
def following_size(descriptor: int, tell: Callable[[Size], None]) -> Iterator[None]:
    """Calls `tell` now and whenever the terminal's size changes."""

    def changed(*_: object) -> None:
        new = size(descriptor)
        if new != (0, 0):
            with contextlib.suppress(OSError, termios.error):
                tell(new)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        changed()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
