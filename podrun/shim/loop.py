"""An event loop of one thread: descriptors by epoll(7) and timers. It knows nothing of pods.

What a callback raises ends neither the loop nor a container: it is handed to `complain`.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import select
import time
from collections.abc import Callable

Callback = Callable[[], None]

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
PRIORITY = select.EPOLLPRI


class Timer:
    """A callback to come. `cancel` may be called at any time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    def __init__(self, complain: Callable[[Exception], None]) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._complain = complain
        self._stopped = False

    def watch(self, fd: int, callback: Callback, events: int = READABLE) -> None:
        """Call back whenever `fd` is ready (or hung up), until unwatched. Unwatch before closing."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def change(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def after(self, seconds: float, callback: Callback) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            ready = [(fd, self._callbacks.get(fd)) for fd, _ in self._epoll.poll(self._patience())]
            for fd, callback in ready:
                # An earlier callback of the same round may have closed it, and another one may have its number now.
                if callback is not None and self._callbacks.get(fd) is callback:
                    self._call(callback)
            self._call_due_timers()

    def _patience(self) -> float:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(self._timers[0][0] - time.monotonic(), 0) if self._timers else -1

    def _call_due_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                self._call(timer.callback)

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            self._complain(error)
