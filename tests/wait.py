"""Waiting for a condition. PODRUN_TEST_PATIENCE multiplies all limits, on slow machines such as the VM by more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("PODRUN_TEST_PATIENCE") or 3)


def patient(seconds: float) -> float:
    """A limit in seconds, as long as this machine needs."""
    return seconds * PATIENCE


def wait_until(condition: Callable[[], T], what: str, seconds: float = 20, step: float = 0.01) -> T:
    """Polls until the condition is true and returns its value; fails with `what` when the limit is over.

    A condition that looks at a file or process which is not there (yet) is not true.
    """
    deadline = time.monotonic() + patient(seconds)
    last: object = None
    while True:
        try:
            if value := condition():
                return value
            last = value
        except (FileNotFoundError, ProcessLookupError) as error:
            last = error
        assert time.monotonic() < deadline, f"waited {patient(seconds):g} s in vain for: {what}; last: {last!r}"
        time.sleep(step)
