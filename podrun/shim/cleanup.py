"""Emptying and removing a control group without blocking the loop: what every ending in a shim comes to."""

from __future__ import annotations

import contextlib
import os

from cgroups import events
from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.shim.loop import PRIORITY, Callback, Loop

_LOOK_AGAIN = 1.0  # seconds; older kernels wake nobody when a group is removed
_FIRST_PAUSE, _LAST_PAUSE = 0.002, 1.0  # seconds between attempts to remove a group


def empty(loop: Loop, group: Group, then: Callback) -> None:
    """Kill all that lives in `group`, and call back when nothing does. As long as that takes: a process may sleep in a
    file system that does not answer."""
    _kill(group)
    if not group.populated():
        then()
        return
    try:
        _Watch(loop, group, events.open_events(group.directory), then).look()
    except FileNotFoundError:
        then()


class _Watch:
    def __init__(self, loop: Loop, group: Group, descriptor: int, then: Callback) -> None:
        self._loop = loop
        self._group = group
        self._descriptor = descriptor
        self._then = then
        loop.watch(descriptor, self.look, PRIORITY)
        self._timer = loop.after(_LOOK_AGAIN, self._kill_again)

    def look(self) -> None:
        if events.read_events(self._descriptor).get("populated", 0) == 0:
            self._timer.cancel()
            self._loop.unwatch(self._descriptor)
            os.close(self._descriptor)
            self._then()

    def _kill_again(self) -> None:
        _kill(self._group)
        self._timer = self._loop.after(_LOOK_AGAIN, self._kill_again)
        self.look()


def _kill(group: Group) -> None:
    with contextlib.suppress(CgroupError):  # tried again each second, as long as anything lives
        group.kill()


def remove(loop: Loop, group: Group, pause: float = _FIRST_PAUSE) -> None:
    """Remove an empty group, now if the kernel lets it go, else soon. Later a sweep finds it."""
    try:
        group.remove(timeout=0)
    except CgroupError:
        if pause <= _LAST_PAUSE:
            loop.after(pause, lambda: remove(loop, group, pause * 2))
