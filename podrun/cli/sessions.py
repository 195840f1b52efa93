"""What exec, attach, run and debug share about sessions on the user's terminal."""

from __future__ import annotations

import os
import sys

NO_TERMINAL = "Unable to use a TTY - input is not a terminal or the right kind of file"


def wants_raw(*, stdin: bool, tty: bool, quiet: bool = False) -> bool:
    """Whether it is on our terminal, as kubectl decides it (StreamOptions.SetupTTY): -t counts with -i alone."""
    if not (stdin and tty):
        return False
    if os.isatty(0):
        return True
    if not quiet:
        print(NO_TERMINAL, file=sys.stderr)
    return False
