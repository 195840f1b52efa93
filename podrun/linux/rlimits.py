"""setrlimit(2) by name, and what to do where CAP_SYS_RESOURCE is missing."""

from __future__ import annotations

import resource


def number(name: str) -> int:
    """RLIMIT_* by its name in getrlimit(2) without the prefix. ValueError for an unknown one."""
    found = getattr(resource, f"RLIMIT_{name}", None)
    if found is None:
        raise ValueError(f"unknown resource limit {name}")
    return int(found)


def set_as_far_as_allowed(name: str, soft: int, hard: int) -> bool:
    """Set a limit of the calling process (-1: unlimited); False if the hard limit in force could not be raised so far.

    In that case both are set to at most the limit in force. Raises OSError, ValueError.
    """
    limit = number(name)
    try:
        resource.setrlimit(limit, (soft, hard))
    except (PermissionError, ValueError):  # ValueError: EPERM in CPython's words
        ceiling = resource.getrlimit(limit)[1]
        if _within(hard, ceiling):
            raise
        resource.setrlimit(limit, (soft if _within(soft, ceiling) else ceiling, ceiling))
        return False
    return True


def _within(value: int, ceiling: int) -> bool:
    return ceiling == resource.RLIM_INFINITY or (value != resource.RLIM_INFINITY and value <= ceiling)
