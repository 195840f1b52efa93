"""Stop signals as images and pods write them. Pure."""

from __future__ import annotations

import signal

from podrun.errors import PodrunError

DEFAULT = int(signal.SIGTERM)


def number(text: str) -> int:
    """`SIGQUIT`, `QUIT`, `3` or `SIGRTMIN+3`; SIGTERM for nothing. PodrunError for what is no signal."""
    word = text.strip().upper()
    if not word:
        return DEFAULT
    if word.isdecimal() and 0 < int(word) <= signal.SIGRTMAX:
        return int(word)
    name, _, offset = word.removeprefix("SIG").partition("+")
    found = signal.Signals.__members__.get(f"SIG{name}")
    if found is None or (offset and not offset.isdecimal()):
        raise PodrunError(f'unknown signal "{text}"')
    value = int(found) + int(offset or 0)
    if value > signal.SIGRTMAX:
        raise PodrunError(f'unknown signal "{text}"')
    return value
