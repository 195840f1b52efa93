"""Walking and removing the directories below a group in one hierarchy. Their files are the kernel's and go along."""

from __future__ import annotations

import errno
import os
import time


def subdirectories(directory: str) -> list[str]:
    """Their names; none if the directory is missing."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def walk(directory: str) -> list[str]:
    """A directory and all below it, parents before children. Not recursive: containers may nest groups deeply."""
    found = [directory]
    for place in found:
        found.extend(f"{place}/{name}" for name in subdirectories(place))
    return found


def remove(directory: str, deadline: float) -> None:
    """rmdir all of it, deepest first; what is missing is fine. EBUSY is retried until `deadline` (time.monotonic)."""
    try:
        os.rmdir(directory)  # Mostly there is nothing below.
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        for place in reversed(walk(directory)):
            _remove_one(place, deadline)


def _remove_one(directory: str, deadline: float) -> None:
    pause = 0.001
    while True:
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        else:
            return
