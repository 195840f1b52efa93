"""The error a user reads. Only cli/main.py prints it and exits; only server/ turns it into HTTP."""

from __future__ import annotations


class PodrunError(Exception):
    """A message for the user, in the form `cannot X: why`, and at most one hint about the way out.

    Messages are lower case, without a full stop, and chain outside-in:
    `cannot start container "web": build root: mount(...): Permission denied`.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def in_words(error: Exception) -> str:
    """What a user reads of an exception: Python's own text of an OSError begins with a number."""
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)
