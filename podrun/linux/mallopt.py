"""mallopt(3): what malloc keeps."""

from __future__ import annotations

from ctypes import c_int

from podrun.linux.syscall import declare

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_mallopt = declare("mallopt", c_int, c_int)


def keep_free_memory(most: int) -> None:
    """Blocks of up to `most` bytes come from the heap, which keeps as much at its end for the next ones."""
    _mallopt(_M_TRIM_THRESHOLD, most)
    _mallopt(_M_MMAP_THRESHOLD, most)


def share_heaps(most: int) -> None:
    """At most `most` heaps, the main one among them, for all threads together: each keeps what it once needed."""
    _mallopt(_M_ARENA_MAX, most)
