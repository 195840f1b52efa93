"""The client's half of exec: shows the shim the ticket, gets the pipes' outer ends, copies until the command ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import recv_fds
from socket import socket as Socket
from typing import Any

from podrun.cli.client import connect
from podrun.errors import PodrunError

_PIECE = 1 << 16
_MOST_DESCRIPTORS = 3
_STDIN, _STDOUT, _STDERR = 0, 1, 2

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes of a command that could not be started, as shells give them
_LAST_STEP = "exec: execute: "  # all else had succeeded: it is the program that is wrong


class NotExecutedError(PodrunError):
    """The container has no such program, or the kernel does not run it; `code` is the exit code that says which."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run(shim: str, token: str, *, stdin: bool) -> int:
    """Exit code of the command. PodrunError: it could not be started, or the shim is gone."""
    try:
        connection = connect(Path(shim))
    except OSError as error:
        raise PodrunError(f"cannot reach the pod's shim: {error.strerror}") from error
    with connection:
        connection.sendall(json.dumps({"request": 1, "kind": "Exec", "token": token}).encode() + b"\n")
        first, rest, descriptors = _first_message(connection)
        if first.get("kind") != "ExecStarted":
            for descriptor in descriptors:
                os.close(descriptor)
            raise _refusal(first)
        return _Copying(connection, rest, descriptors, stdin=stdin).run()


def _refusal(answer: dict[str, Any]) -> PodrunError:
    message = str(answer.get("message") or "cannot execute the command: the shim refused it")
    if not message.startswith(_LAST_STEP):
        return PodrunError(message)
    code = NOT_FOUND if answer.get("errno") == errno.ENOENT else NOT_EXECUTABLE
    return NotExecutedError(f"cannot execute the command: {message.removeprefix(_LAST_STEP)}", code)


def _first_message(connection: Socket) -> tuple[dict[str, Any], bytes, list[int]]:
    """The answer, what came after it, and the descriptors sent with it."""
    received, descriptors = b"", []
    while b"\n" not in received:
        piece, passed, _, _ = recv_fds(connection, _PIECE, _MOST_DESCRIPTORS)
        descriptors += passed
        for descriptor in passed:
            os.set_inheritable(descriptor, False)
        if not piece:
            raise PodrunError("cannot execute the command: the pod's shim closed the connection")
        received += piece
    line, _, rest = received.partition(b"\n")
    return json.loads(line), rest, descriptors


class _Copying:
    """One thread, one poll: our stdin to the command, its stdout and stderr to ours, the shim's last word to `code`."""

    def __init__(self, connection: Socket, rest: bytes, descriptors: Sequence[int], *, stdin: bool) -> None:
        ends = list(descriptors)
        self._connection = connection
        self._said = rest
        self._input = ends.pop(0) if stdin and ends else None
        self._outputs = dict(zip(ends, (_STDOUT, _STDERR), strict=False))
        self._pending = b""
        self._poll = select.poll()

    def run(self) -> int:
        for descriptor in (self._connection.fileno(), *self._outputs):
            self._poll.register(descriptor, select.POLLIN)
        if self._input is not None:
            os.set_blocking(self._input, False)
            self._poll.register(_STDIN, select.POLLIN)
        sys.stdout.flush()
        try:
            while (code := self._code()) is None:
                for descriptor, _ in self._poll.poll():
                    self._serve(descriptor)
            self._drain()
            return code
        finally:
            self._close_input()
            for descriptor in list(self._outputs):
                self._close_output(descriptor)

    def _code(self) -> int | None:
        while b"\n" in self._said:
            line, _, self._said = self._said.partition(b"\n")
            message = json.loads(line)
            if message.get("kind") == "ExecEnded":
                return int(message["code"])
            if message.get("kind") == "Refused":
                raise PodrunError(str(message.get("message")))
        return None

    def _serve(self, descriptor: int) -> None:
        if descriptor == self._connection.fileno():
            try:
                piece = self._connection.recv(_PIECE)
            except ConnectionError:
                piece = b""
            if not piece:
                raise PodrunError("cannot learn how the command ended: the pod's shim is gone")
            self._said += piece
        elif descriptor in self._outputs:
            self._copy_output(descriptor)
        elif descriptor == _STDIN and not self._pending:
            self._read_input()
        elif descriptor == self._input:
            self._write_input()

    def _copy_output(self, descriptor: int) -> bool:
        """False at the end."""
        piece = os.read(descriptor, _PIECE)
        if not piece:
            self._close_output(descriptor)
            return False
        target = self._outputs[descriptor]
        while piece:
            piece = piece[os.write(target, piece) :]
        return True

    def _drain(self) -> None:
        """What the command wrote before it ended is in the pipes. What it left running may hold them open for long."""
        for descriptor in list(self._outputs):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while poll.poll(0) and self._copy_output(descriptor):
                pass

    def _read_input(self) -> None:
        self._pending = os.read(_STDIN, _PIECE)
        self._poll.unregister(_STDIN)
        if self._pending and self._input is not None:
            self._poll.register(self._input, select.POLLOUT)
        else:
            self._close_input()

    def _write_input(self) -> None:
        assert self._input is not None
        try:
            self._pending = self._pending[os.write(self._input, self._pending) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._poll.unregister(self._input)
            self._close_input()
            return
        if not self._pending:
            self._poll.unregister(self._input)
            self._poll.register(_STDIN, select.POLLIN)

    def _close_input(self) -> None:
        if self._input is not None:
            os.close(self._input)
            self._input = None

    def _close_output(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(descriptor)
        del self._outputs[descriptor]
        os.close(descriptor)
