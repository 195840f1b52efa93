"""Runs a command in a container for the kubelet itself, for probes and hooks: a client of the shim like any other.

The command is bound to the connection: whoever cancels, by a timeout or by dying, ends it and all its children.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.kubelet.shim_session import NotRun, Session
from podrun.probe.outcomes import MOST_OUTPUT, Errored, Failed, Outcome, Succeeded
from podrun.shim.messages import Exec

Prepare = Callable[[str, tuple[str, ...]], Awaitable[tuple[str, str]]]
"""Container and argv to the shim's socket and a one-time token; stdout and stderr are asked for, stdin is not."""

_CHUNK = 64 << 10  # bytes; what a pipe holds
_UNHURRIED = 0.02  # seconds between reads of what is thrown away, lest endless output keeps the kubelet busy


@dataclass(frozen=True, slots=True)
class Finished:
    code: int  # 128 + N for signal N
    output: bytes  # the first MOST_OUTPUT bytes of stdout and stderr, as they came


async def run(prepare: Prepare, container: str, argv: tuple[str, ...]) -> Finished:
    """How the command ended. Raises NotRun. What it leaves running in the background is not waited for."""
    try:
        path, token = await prepare(container, argv)
    except PodrunError as error:
        raise NotRun(str(error)) from error
    try:
        with Session(path) as session:
            await session.start(Exec(token, bound=True))
            output = _Output(session)
            try:
                code = await session.ended
                return Finished(code, output.finish())
            finally:
                output.cancel()
    except OSError as error:
        raise NotRun(f"cannot reach the shim: {error.strerror}") from error


Run = Callable[[str, tuple[str, ...]], Awaitable[Finished]]
"""Runs an argv in a container, as `run` does."""


async def probe(run: Run, container: str, argv: tuple[str, ...], timeout: float) -> Outcome:
    """The exec probe: `timeout` seconds, then the command and its children are killed (pkg/probe/exec)."""
    try:
        async with asyncio.timeout(timeout):
            finished = await run(container, argv)
    except TimeoutError:
        return Failed(f'command timed out: "{" ".join(argv)}" timed out after {timeout:g}s')
    except NotRun as error:
        return Errored(str(error))
    output = finished.output.decode(errors="replace")
    return Succeeded(output) if finished.code == 0 else Failed(output)


class _Output:
    """What a command's output gives: the first MOST_OUTPUT bytes are kept, the rest is taken and forgotten."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._output = bytearray()
        for end in session.ends:
            self._loop.add_reader(end, self._read, end)

    def finish(self) -> bytes:
        """With what the pipes still hold."""
        for end in tuple(self._session.ends):
            while self._read_some(end) and len(self._output) < MOST_OUTPUT:
                pass
        return bytes(self._output[:MOST_OUTPUT])

    def cancel(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _read(self, end: int) -> None:
        if self._read_some(end) and len(self._output) >= MOST_OUTPUT:
            self._loop.remove_reader(end)
            self._timers[end] = self._loop.call_later(_UNHURRIED, self._resume, end)

    def _resume(self, end: int) -> None:
        self._loop.add_reader(end, self._read, end)

    def _read_some(self, end: int) -> bool:
        """Whether something was there; the pipe is closed at its end."""
        try:
            chunk = os.read(end, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._session.close(end)
            return False
        if len(self._output) < MOST_OUTPUT:
            self._output += chunk
        return True
