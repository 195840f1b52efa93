"""Holding: as a program that only sleeps, while the kernel reaps; without one, sleep until a child dies, reap it."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import NoReturn

from pause.reap import reap

_LEAVE = (signal.SIGTERM, signal.SIGINT)


def hold(program: int = -1) -> NoReturn:
    """Hold until killed. SIGTERM and SIGINT end it too, save as PID 1: there any process of the pod could send them.

    `program` is a descriptor of `program.prepare`, or -1: then, and where it can't be run, the interpreter stays, with
    all signals blocked and taken by sigwait, so that none can arrive between two calls.
    """
    if program >= 0:
        with contextlib.suppress(OSError):
            _become(program)
    waited = {signal.SIGCHLD, *(_LEAVE if os.getpid() != 1 else ())}
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    while True:
        reap()
        if signal.sigwait(waited) in _LEAVE:
            os._exit(0)


def _become(program: int) -> None:
    """The mask and what is ignored outlive exec. Children of who ignores SIGCHLD leave no zombies: wait(2)."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in _LEAVE:
        signal.signal(number, signal.SIG_DFL)
    heeded = _LEAVE if os.getpid() != 1 else ()
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - set(heeded))
    os.execve(program, ["/pause"], {})
