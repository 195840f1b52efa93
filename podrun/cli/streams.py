"""The client's half of exec and attach: shows the shim the ticket, gets outer ends, copies until the command ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import sys
import termios
from _socket import socket as Socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from podrun.cli import interrupts
from podrun.cli.client import connect, receive_descriptors
from podrun.cli.detaching import Detacher
from podrun.errors import PodrunError

_PIECE = 1 << 16
_MOST_DESCRIPTORS = 3
_STDIN, _STDOUT, _STDERR = 0, 1, 2

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes of a command that could not be started, as shells give them
_LAST_STEP = "exec: execute: "  # all else had succeeded: it is the program that is wrong
_NO_SUCH_FIELD = "has unknown fields"


class NotExecutedError(PodrunError):
    """The container has no such program, or the kernel does not run it; `code` is the exit code that says which."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Wanted(NamedTuple):
    """What was asked for. With `raw` our stdin is a terminal that shows the remote one; `detach` are the keys that
    leave it, and with `redraw` the program there is made to show itself again. `earlier` is called with the number of
    bytes that were logged before the streams begin."""

    stdin: bool = False
    raw: bool = False
    detach: bytes = b""
    redraw: bool = False
    earlier: Callable[[int], None] | None = None


def run(shim: str, token: str, wanted: Wanted) -> int | None:
    """Exit code of the command; None after the detach keys. PodrunError: it did not start, or the shim is gone."""
    try:
        connection = connect(shim)
    except OSError as error:
        raise PodrunError(f"cannot reach the pod's shim: {error.strerror}") from error
    with contextlib.closing(connection), _terminal(wanted) as size:
        request: dict[str, object] = {"request": 1, "kind": "Exec", "token": token}
        if size != (0, 0):
            request |= {"rows": size[0], "columns": size[1]}
        connection.sendall(json.dumps(request).encode() + b"\n")
        first, rest, descriptors = _first_message(connection)
        if first.get("kind") != "ExecStarted":
            for descriptor in descriptors:
                os.close(descriptor)
            raise _refusal(first)
        if wanted.earlier is not None:
            wanted.earlier(int(first.get("logged") or 0))
        return _run(_Copying(connection, rest, _ends(descriptors, wanted), Detacher(wanted.detach)), wanted)


@contextlib.contextmanager
def _terminal(wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Around a session on our terminal: raw. Its size."""
    if not wanted.raw:
        yield 0, 0
        return
    from podrun.cli import terminal

    with terminal.raw(_STDIN):
        yield terminal.size(_STDIN)


def _run(copying: _Copying, wanted: Wanted) -> int | None:
    master = copying.ends.input
    if not wanted.raw or master is None:
        return copying.run()
    from podrun.cli import terminal

    rows, columns = terminal.size(_STDIN)
    if wanted.redraw and rows and columns:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetwinsize(master, (rows + 1, columns + 1))
    with terminal.following_size(_STDIN, lambda size: termios.tcsetwinsize(master, size)):
        return copying.run()


class _Ends:
    def __init__(self, input: int | None, outputs: dict[int, int]) -> None:
        """`input` is where our stdin goes; a terminal's master may be both input and output."""
        self.input = input
        self.outputs = outputs


def _ends(descriptors: list[int], wanted: Wanted) -> _Ends:
    """In the order of shim/messages.py. The one end of a terminal is for both ways."""
    if wanted.raw and len(descriptors) == 1:
        return _Ends(descriptors[0], {descriptors[0]: _STDOUT})
    ends = list(descriptors)
    into = ends.pop(0) if wanted.stdin and ends else None
    return _Ends(into, dict(zip(ends, (_STDOUT, _STDERR), strict=False)))


def _refusal(answer: dict[str, Any]) -> PodrunError:
    message = str(answer.get("message") or "cannot execute the command: the shim refused it")
    if _NO_SUCH_FIELD in message:
        return PodrunError("cannot open a terminal: this pod was started by an older podrun", hint="start it again")
    if not message.startswith(_LAST_STEP):
        return PodrunError(message)
    code = NOT_FOUND if answer.get("errno") == errno.ENOENT else NOT_EXECUTABLE
    return NotExecutedError(f"cannot execute the command: {message.removeprefix(_LAST_STEP)}", code)


def _first_message(connection: Socket) -> tuple[dict[str, Any], bytes, list[int]]:
    """The answer, what came after it, and the descriptors sent with it."""
    received, descriptors = b"", []
    while b"\n" not in received:
        piece, passed = receive_descriptors(connection, _MOST_DESCRIPTORS)
        descriptors += passed
        if not piece:
            raise PodrunError("cannot execute the command: the pod's shim closed the connection")
        received += piece
    line, _, rest = received.partition(b"\n")
    return json.loads(line), rest, descriptors


class _Copying:
    """One thread, one poll: our stdin to the command, its stdout and stderr to ours, the shim's last word to `code`."""

    def __init__(self, connection: Socket, rest: bytes, ends: _Ends, detacher: Detacher) -> None:
        self.ends = ends
        self._connection = connection
        self._said = rest
        self._detacher = detacher
        self._pending = b""
        self._poll = select.poll()
        self._interests: dict[int, int] = {}

    def run(self) -> int | None:
        for descriptor in (self._connection.fileno(), *self.ends.outputs):
            self._want(descriptor, select.POLLIN)
        if self.ends.input is not None:
            os.set_blocking(self.ends.input, False)
            self._want(_STDIN, select.POLLIN)
        interrupts.watch(self._poll)
        sys.stdout.flush()
        try:
            while (code := self._code()) is None and not self._detacher.is_detached:
                for descriptor, events in self._poll.poll():
                    self._serve(descriptor, events)
            self._drain()
            return code
        finally:
            for end in {self.ends.input, *self.ends.outputs}:
                if end is not None:
                    os.close(end)

    def _want(self, descriptor: int, events: int, *, instead_of: int = 0) -> None:
        """Add to what is waited for there, or take away."""
        now = (self._interests.get(descriptor, 0) | events) & ~instead_of
        if now:
            self._poll.register(descriptor, now)
        elif descriptor in self._interests:
            self._poll.unregister(descriptor)
        self._interests[descriptor] = now
        if not now:
            del self._interests[descriptor]

    def _code(self) -> int | None:
        while b"\n" in self._said:
            line, _, self._said = self._said.partition(b"\n")
            message = json.loads(line)
            if message.get("kind") == "ExecEnded":
                return int(message["code"])
            if message.get("kind") == "Refused":
                raise PodrunError(str(message.get("message")))
        return None

    def _serve(self, descriptor: int, events: int) -> None:
        if descriptor == interrupts.noted():
            interrupts.take_note()
            return
        if descriptor not in self._interests:
            return  # an earlier one of this round has ended it
        if descriptor == self._connection.fileno():
            self._listen()
        elif descriptor == _STDIN and descriptor not in self.ends.outputs:
            self._read_input()
        else:
            if descriptor == self.ends.input and events & (select.POLLOUT | select.POLLERR):
                self._write_input()
            if descriptor in self.ends.outputs and events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._copy_output(descriptor)

    def _listen(self) -> None:
        try:
            piece = self._connection.recv(_PIECE)
        except ConnectionError:
            piece = b""
        if not piece:
            raise PodrunError("cannot learn how the command ended: the pod's shim is gone")
        self._said += piece

    def _copy_output(self, descriptor: int) -> bool:
        """False at the end, or when there is nothing now."""
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""  # nobody has the terminal open any more
        if not piece:
            self._end_output(descriptor)
            return False
        _write_all(self.ends.outputs[descriptor], piece)
        return True

    def _drain(self) -> None:
        """What the command wrote before it ended is in the pipes. What it left running may hold them open for long."""
        for descriptor in list(self.ends.outputs):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while poll.poll(0) and self._copy_output(descriptor):
                pass

    def _read_input(self) -> None:
        try:
            piece = os.read(_STDIN, _PIECE)
        except OSError:  # EIO: our terminal is gone; EBADF: there never was a stdin
            piece = b""
        if not piece:
            self._want(_STDIN, 0, instead_of=select.POLLIN)
            self._end_input()
            return
        self._pending = self._detacher.feed(piece)
        if self._pending and self.ends.input is not None:
            self._want(_STDIN, 0, instead_of=select.POLLIN)
            self._want(self.ends.input, select.POLLOUT)

    def _write_input(self) -> None:
        assert self.ends.input is not None
        try:
            self._pending = self._pending[os.write(self.ends.input, self._pending) :]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self._pending = b""
            self._want(self.ends.input, 0, instead_of=select.POLLOUT)
            self._end_input()
            return
        if not self._pending:
            self._want(self.ends.input, 0, instead_of=select.POLLOUT)
            self._want(_STDIN, select.POLLIN)

    def _end_input(self) -> None:
        """A terminal stays open as long as it is shown."""
        if self.ends.input is not None and self.ends.input not in self.ends.outputs:
            os.close(self.ends.input)
        self.ends.input = None

    def _end_output(self, descriptor: int) -> None:
        if descriptor in self._interests:
            self._want(descriptor, 0, instead_of=~0)
        del self.ends.outputs[descriptor]
        if descriptor == self.ends.input:
            self._want(_STDIN, 0, instead_of=select.POLLIN)
            self.ends.input = None
        os.close(descriptor)


def _write_all(target: int, data: bytes) -> None:
    """Also where somebody has made our output non-blocking."""
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(target, select.POLLOUT)
            poll.poll()
