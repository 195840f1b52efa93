"""Waiting for a file such as cgroup.events to change, without polling: kernfs wakes poll(2) with POLLPRI."""

from __future__ import annotations

import errno
import os
import select
import time

from cgroups import files


def open_events(directory: str, name: str = "cgroup.events") -> int:
    """A close-on-exec descriptor that becomes ready for EPOLLPRI at each change after a `read_events`.

    memory.events works the same. EPOLLIN would be no use: kernfs files are always readable.
    """
    return os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)


def read_events(descriptor: int) -> dict[str, int]:
    """The values now; empty once the group is removed. Reading also re-arms the descriptor."""
    try:
        return files.keyed(os.pread(descriptor, 4096, 0).decode())
    except OSError as error:
        if error.errno == errno.ENODEV:
            return {}
        raise


def wait_for(directory: str, key: str, value: int, timeout: float) -> bool:
    """True as soon as cgroup.events says `key value`, or the group is gone; False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    try:
        descriptor = open_events(directory)
    except FileNotFoundError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLPRI)
        while read_events(descriptor).get(key, value) != value:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            # A removal wakes nobody on older kernels: look again each second.
            poll.poll(min(remaining, 1.0) * 1000)
        return True
    finally:
        os.close(descriptor)
