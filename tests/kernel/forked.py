"""A function carried out in a forked child with one thread, so that what it does to itself ends with it."""

from __future__ import annotations

import os
import pickle
import threading
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_child(act: Callable[[], T]) -> T:
    """What `act` returns in the child; AssertionError with its traceback where it raises."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            assert threading.active_count() == 1
            answer = (True, act())
        except BaseException:
            answer = (False, traceback.format_exc())
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    assert told, "the child ended without an answer"
    good, result = pickle.loads(told)
    assert good, result
    return result  # type: ignore[no-any-return]
