"""Holding: sleep until a child dies, reap it, sleep again."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from pause.reap import reap

_LEAVE = (signal.SIGTERM, signal.SIGINT)


def hold() -> NoReturn:
    """Hold until killed. SIGTERM and SIGINT end it too, save as PID 1: there any process of the pod could send them.

    Signals stay blocked and are taken by sigwait, so none can arrive between two calls, and none has a handler.
    """
    waited = {signal.SIGCHLD, *(_LEAVE if os.getpid() != 1 else ())}
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    while True:
        reap()
        if signal.sigwait(waited) in _LEAVE:
            os._exit(0)
