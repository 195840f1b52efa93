"""The one exception of this library: an OSError in words, with at most one hint about the way out."""

from __future__ import annotations

import os


class CgroupError(OSError):
    """`errno` is the kernel's (0 where no call failed); the text has the form `cannot X: why`."""

    def __init__(self, message: str, error: int = 0, hint: str | None = None) -> None:
        super().__init__(error, f"{message}: {os.strerror(error)}" if error else message)
        self.message = str(self.strerror)
        self.hint = hint

    def __str__(self) -> str:
        return self.message
