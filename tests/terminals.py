"""A command on a terminal of its own, as a user has it: a pty whose other end the test types on and reads from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import wait

ENTER = b"\r"
CTRL_C, CTRL_D = b"\x03", b"\x04"


class Terminal:
    """Use `with`: at the end the command is killed if it still runs."""

    def __init__(
        self, words: Sequence[str | Path], environment: Mapping[str, str], rows: int = 30, columns: int = 90
    ) -> None:
        self._master, self._slave = os.openpty()
        termios.tcsetwinsize(self._slave, (rows, columns))
        self.before = self.attributes()
        self.process = subprocess.Popen(
            words, env=environment, stdin=self._slave, stdout=self._slave, stderr=self._slave, preexec_fn=_take_terminal
        )
        self.shown = b""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def expect(self, text: str, seconds: float = 20) -> None:
        """Wait until `text` is shown, after what was expected before."""
        deadline = time.monotonic() + wait.patient(seconds)
        while (at := self.shown.find(text.encode(), self._seen)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"waited in vain for {text!r}; shown: {self.shown[self._seen :]!r}"
            self._read(left)
        self._seen = at + len(text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """As a window does it: the kernel tells the foreground process."""
        termios.tcsetwinsize(self._master, (rows, columns))

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def is_as_before(self) -> bool:
        return self.attributes() == self.before

    def code(self, seconds: float = 20) -> int:
        """The command's exit code; what it still showed is read."""
        deadline = time.monotonic() + wait.patient(seconds)
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"the command does not end; shown: {self.shown!r}"
            self._read(0.05)
        self._read(0)
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """The window is closed."""
        for descriptor in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], min(seconds, 0.5))[0]:
            self.shown += os.read(self._master, 65536)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
