"""Stop signals as images and pods write them. Pure."""

from __future__ import annotations

import re
import signal

from podrun.errors import PodrunError

DEFAULT = int(signal.SIGTERM)


def number(text: str) -> int:
    """`SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3` or `SIGRTMAX-3`; SIGTERM for nothing. PodrunError for what is no signal."""
    word = text.strip().upper()
    if not word:
        return DEFAULT
    if word.isdecimal() and 0 < int(word) <= signal.SIGRTMAX:
        return int(word)
    parts = re.fullmatch(r"(?:SIG)?([A-Z0-9]+)([+-]\d+)?", word, re.ASCII)
    found = signal.Signals.__members__.get(f"SIG{parts[1]}") if parts else None
    if parts is None or found is None or not 0 < (value := int(found) + int(parts[2] or 0)) <= signal.SIGRTMAX:
        raise PodrunError(f'unknown signal "{text}"')
    return value
