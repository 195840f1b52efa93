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
