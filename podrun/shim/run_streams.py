"""A run's standard streams as the shim holds them: pipes or a terminal, pumped into the log and to attached clients."""

from __future__ import annotations

import contextlib
import functools
import os

from podrun.container import plan, program
from podrun.shim import messages
from podrun.shim.attachments import Attachment
from podrun.shim.consoles import Console
from podrun.shim.log_compression import Compressor
from podrun.shim.log_pump import LogFile, LogStream
from podrun.shim.loop import Loop


class RunStreams:
    """Raises OSError when made: the log can't be opened."""

    def __init__(self, loop: Loop, launch_plan: plan.LaunchPlan) -> None:
        self._loop = loop
        self._plan = launch_plan
        self._log = LogFile(
            launch_plan.log_path,
            launch_plan.log_max_bytes,
            launch_plan.log_max_files,
            Compressor(loop).compress,
        )
        self._streams: list[LogStream] = []
        self._ended: list[LogStream] = []
        self._held_back: list[LogStream] = []
        self._console: Console | None = None
        self._stdin = -1  # our end of it: a pipe's, or the terminal's master
        self._attached: list[Attachment] = []

    def open(self, inner_ends: contextlib.ExitStack) -> program.Stdio:
        """What the child gets; closed by `inner_ends` when it has it."""
        if self._plan.tty:
            self._console = Console()
            inner_ends.callback(self._console.close_inner)
            return self._console.stdio(0, 0)
        stdin = -1
        if self._plan.stdin:
            stdin, self._stdin = os.pipe2(os.O_CLOEXEC)
            inner_ends.callback(os.close, stdin)
        stdout, stderr = (self._open_pipe(name, inner_ends) for name in ("stdout", "stderr"))
        return program.Stdio(stdin=stdin, stdout=stdout, stderr=stderr)

    def started(self) -> None:
        """The program runs, and its terminal has come. Raises OSError."""
        if self._console is None:
            return
        master = self._console.receive()
        self._stdin = os.dup(master)
        self._watch(master, "stdout")

    def attach(self, attachment: Attachment, wanted: messages.PrepareAttach, pid: int) -> None:
        """From now on the client gets what is written, the line that has begun included (messages.Exec)."""
        ends = [self._input()] if wanted.stdin else []
        names = {"stdout"} if self._plan.tty else {"stdout", "stderr"}
        for name, asked in (("stdout", wanted.stdout), ("stderr", wanted.stderr)):
            if not asked:
                continue
            outlet = attachment.outlet()
            ends.append(outlet.outer)
            stream = next((stream for stream in self._streams if stream.name == name), None)
            if stream is None or name not in names:
                outlet.finish()
            else:
                outlet.write(stream.unfinished)  # a prompt, most often
                stream.outlets.append(outlet)
                outlet.on_room = functools.partial(self._resume, stream)
        self._attached.append(attachment)
        logged = sum(stream.logged for stream in (*self._streams, *self._ended))
        attachment.begin(pid, logged, tuple(ends))

    def detach(self, attachment: Attachment) -> None:
        if attachment in self._attached:
            self._attached.remove(attachment)
        for stream in self._streams:
            stream.forget_closed_outlets()

    def finish(self, code: int) -> None:
        """All of its processes are dead: what they wrote is in the pipes, whoever else was given an end of them."""
        for stream in list(self._streams):
            stream.drain()
            self._close_stream(stream)
        self._log.close()
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1
        if self._console is not None:
            self._console.close()
        for attachment in tuple(self._attached):
            attachment.finish(code)

    def _input(self) -> int:
        """Where an attached client writes. With stdinOnce the first gets the only end there is, and so closes it."""
        if self._stdin < 0:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.close(reader)
            return writer
        if self._plan.stdin_once and not self._plan.tty:
            given, self._stdin = self._stdin, -1
            return given
        return os.dup(self._stdin)

    def _open_pipe(self, name: str, inner_ends: contextlib.ExitStack) -> int:
        outer, inner = os.pipe2(os.O_CLOEXEC)
        inner_ends.callback(os.close, inner)
        self._watch(outer, name)
        return inner

    def _watch(self, source: int, name: str) -> None:
        os.set_blocking(source, False)
        stream = LogStream(source, name, self._log)
        self._streams.append(stream)
        self._loop.watch(source, lambda: self._pump(stream))

    def _pump(self, stream: LogStream) -> None:
        if not stream.pump():
            self._close_stream(stream)
        elif stream.is_held_back:
            self._held_back.append(stream)
            self._loop.unwatch(stream.pipe)

    def _resume(self, stream: LogStream) -> None:
        if stream in self._held_back and not stream.is_held_back:
            self._held_back.remove(stream)
            self._loop.watch(stream.pipe, lambda: self._pump(stream))

    def _close_stream(self, stream: LogStream) -> None:
        self._streams.remove(stream)
        self._ended.append(stream)
        if stream in self._held_back:
            self._held_back.remove(stream)
        self._loop.unwatch(stream.pipe)
        os.close(stream.pipe)
        for outlet in stream.outlets:
            outlet.finish()
