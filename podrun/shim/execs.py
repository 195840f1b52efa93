"""Processes exec'd into running containers: pipes or a terminal whose outer ends go to the client, exit codes.

The pipes are never read here, and a client's disappearance is none of the process's business but for its closed ends,
unless it asked to be bound to it. Each has a control group of its own below the container's, where killing finds all
its children; what it leaves running in the background when it ends lives on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable

from cgroups import hierarchies
from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.container import join, newborn, plan, program
from podrun.linux import pidfd
from podrun.shim import cleanup, consoles, messages
from podrun.shim.connection import Connection
from podrun.shim.loop import Loop
from podrun.shim.reports import Outcome, Report

Target = Callable[[str, int], int]
"""The pidfd of a run's main program; -1 when it does not run."""


class Execs:
    def __init__(self, loop: Loop, target: Target) -> None:
        self._loop = loop
        self._target = target
        self._numbers = itertools.count()
        self._bound: dict[Connection, list[_Exec]] = {}
        self._lingering: list[Group] = []  # their exec has ended, and left something running

    def start(self, connection: Connection, id: int, request: messages.Exec, exec_plan: plan.ExecPlan) -> None:
        target = self._target(exec_plan.container, exec_plan.attempt)
        if target < 0:
            connection.refuse(id, _not_running(exec_plan))
            return
        self._sweep()
        parent = Group(exec_plan.cgroup, hierarchies.current())
        group = parent.child(f"exec-{next(self._numbers)}")
        one = _Exec(self._loop, connection, id, group, self._ended)
        try:
            os.mkdir(group.directory)  # and no parents: the container's own is there as long as it runs
            one.start(exec_plan, target, request)
        except (newborn.SpawnError, OSError) as error:
            cleanup.remove(self._loop, group)
            reason = error.reason if isinstance(error, newborn.SpawnError) else error
            connection.refuse(id, f"exec: {reason}", reason.errno or 0)
        else:
            if request.bound:
                self._bound.setdefault(connection, []).append(one)

    def hung_up(self, connection: Connection) -> None:
        """What was bound to this client dies with it."""
        for one in self._bound.pop(connection, ()):
            one.kill()

    def _ended(self, one: _Exec) -> None:
        if one in (bound := self._bound.get(one.connection, [])):
            bound.remove(one)
            if not bound:
                del self._bound[one.connection]
        if one.is_killed:
            cleanup.empty(self._loop, one.group, lambda: cleanup.remove(self._loop, one.group))
        else:
            self._lingering.append(one.group)
        self._sweep()

    def _sweep(self) -> None:
        """Take away the groups of those that have ended, once nothing lives there."""
        empty = [group for group in self._lingering if not group.populated()]
        self._lingering = [group for group in self._lingering if group not in empty]
        for group in empty:
            cleanup.remove(self._loop, group)


class _Exec:
    """One process, from its clone to its exit code, in `group`."""

    def __init__(
        self, loop: Loop, connection: Connection, id: int, group: Group, on_end: Callable[[_Exec], None]
    ) -> None:
        self.connection = connection
        self.group = group
        self.is_killed = False
        self._loop = loop
        self._id = id
        self._on_end = on_end
        self._pid = 0
        self._pidfd = -1
        self._outer: list[int] = []
        self._console: consoles.Console | None = None
        self._report: Report | None = None
        self._has_started = False

    def start(self, exec_plan: plan.ExecPlan, target: int, request: messages.Exec) -> None:
        with contextlib.ExitStack() as inner_ends, contextlib.ExitStack() as on_failure:
            on_failure.callback(self._close_outer)
            if exec_plan.tty:
                self._console = consoles.Console()
                inner_ends.callback(self._console.close_inner)
                stdio = self._console.stdio(request.rows, request.columns)
            else:
                stdin = self._pipe(inner_ends, exec_plan.stdin, outer_writes=True)
                stdout = self._pipe(inner_ends, exec_plan.stdout, outer_writes=False)
                stderr = self._pipe(inner_ends, exec_plan.stderr, outer_writes=False)
                stdio = program.Stdio(stdin, stdout, stderr)
            child = join.spawn_exec(exec_plan, target, stdio, self.group)
            on_failure.pop_all()
        self._pid, self._pidfd = child.pid, child.pidfd
        self._report = Report(self._loop, child.report, self._born)
        self._loop.watch(child.pidfd, self._ended)

    def kill(self) -> None:
        """SIGKILL to the process and its children."""
        self.is_killed = True
        with contextlib.suppress(CgroupError):  # without a kill they live on until the container ends
            self.group.kill()

    def _pipe(self, inner_ends: contextlib.ExitStack, wanted: bool, *, outer_writes: bool) -> int:
        """The inner end of one stream, -1 for none; its outer end is kept for the client."""
        if not wanted:
            return -1
        reader, writer = os.pipe2(os.O_CLOEXEC)
        inner, outer = (reader, writer) if outer_writes else (writer, reader)
        self._outer.append(outer)
        inner_ends.callback(os.close, inner)
        return inner

    def _born(self, outcome: Outcome) -> None:
        match outcome:
            case newborn.StartError():
                self._close_outer()
                self.connection.refuse(self._id, f"exec: {outcome}", outcome.errno)
            case newborn.Resolved():
                self._has_started = True
                if self._console is not None:
                    try:
                        self._outer = [self._console.receive()]
                    except OSError as error:
                        self.connection.refuse(self._id, f"exec: {error.strerror}", error.errno or 0)
                        self.kill()
                        return
                outer, self._outer = tuple(self._outer), []
                self.connection.send(self._id, messages.ExecStarted(self._pid), outer)

    def _ended(self) -> None:
        ended = pidfd.reap(self._pidfd)
        if ended is None:
            return
        self._loop.unwatch(self._pidfd)
        os.close(self._pidfd)
        if self._report is not None:
            self._report.finish()
        if self._has_started:
            self.connection.send(self._id, messages.ExecEnded(ended.code))
        self._on_end(self)

    def _close_outer(self) -> None:
        for fd in self._outer:
            os.close(fd)
        self._outer = []
        if self._console is not None:
            self._console.close()


def _not_running(exec_plan: plan.ExecPlan) -> str:
    return f'exec: attempt {exec_plan.attempt} of container "{exec_plan.container}" is not running'
