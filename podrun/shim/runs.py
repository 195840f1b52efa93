"""One run of a container, from the clone to the removed control group. Facts go to `record`; nothing is decided here.

The order of an ending: the main program is reaped; all else in its group is killed and gone; the log is complete; OOM
kills are read and the group removed; then the fact.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from enum import Enum, auto

from cgroups import hierarchies
from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.container import newborn, plan, pod_handles, start
from podrun.linux import pidfd
from podrun.shim import cleanup, facts, messages
from podrun.shim.attachments import Attachment
from podrun.shim.loop import Loop, Timer
from podrun.shim.reports import Outcome, Report
from podrun.shim.run_streams import RunStreams

_KILL_AGAIN = 1.0  # seconds

Record = Callable[[facts.Fact], None]


class Stage(Enum):
    STARTING = auto()
    RUNNING = auto()
    ENDING = auto()
    OVER = auto()  # Exited or StartFailed is recorded


class Run:
    """`launch` begins it, and `record` gets Started and Exited, or StartFailed."""

    def __init__(self, loop: Loop, launch_plan: plan.LaunchPlan, record: Record) -> None:
        self.plan = launch_plan
        self.stage = Stage.STARTING
        self.pidfd = -1
        self._loop = loop
        self._record = record
        self._group = Group(launch_plan.cgroup, hierarchies.current())
        self._pid = 0
        self._report: Report | None = None
        self._streams: RunStreams | None = None
        self._failure: newborn.StartError | None = None
        self._ended = pidfd.Ended(128 + signal.SIGKILL, signal.SIGKILL)
        self._held_signals: list[int] = []
        self._killing: Timer | None = None
        self._sent: set[int] = set()

    def launch(self, handles: pod_handles.PodHandles, target: int = -1) -> None:
        """Clone the container's first process. What goes wrong, here or later, becomes a StartFailed.

        `target` is the pidfd of a process whose PID namespace it is born into instead of a new one.
        """
        try:
            self._streams = RunStreams(self._loop, self.plan)
            with contextlib.ExitStack() as inner_ends:
                child = start.spawn(self.plan, handles, self._streams.open(inner_ends), target)
        except newborn.SpawnError as error:
            self._fail(error.reason)
        except Exception as error:
            self._fail(newborn.describe("open log" if self._streams is None else "clone", error))
        else:
            self._pid, self.pidfd = child.pid, child.pidfd
            self._report = Report(self._loop, child.report, self._born)
            self._loop.watch(child.pidfd, self._main_ended)

    def signal(self, number: int) -> None:
        """To the main program, each signal once: a kubelet that took over may ask again.

        What comes before it is exec'd waits until then; what comes after its end is nothing.
        """
        if number in self._sent:
            return
        match self.stage:
            case Stage.STARTING:
                self._held_signals.append(number)
            case Stage.RUNNING:
                self._sent.add(number)
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """SIGKILL for all that lives of the run, and again until its main program ends: one that freezes itself at that
        moment (v1's freezer) ends when it is thawed. Raises CgroupError where the first attempt fails."""
        if self.stage is not Stage.OVER:
            if self._killing is None:
                self._killing = self._loop.after(_KILL_AGAIN, self._kill_again)
            self._group.kill()

    def _kill_again(self) -> None:
        if self.stage in (Stage.STARTING, Stage.RUNNING):
            self._killing = self._loop.after(_KILL_AGAIN, self._kill_again)
            with contextlib.suppress(CgroupError):
                self._group.kill()

    def attach(self, attachment: Attachment, wanted: messages.PrepareAttach) -> None:
        """Only while it runs."""
        assert self._streams is not None
        self._streams.attach(attachment, wanted, self._pid)

    def detach(self, attachment: Attachment) -> None:
        if self._streams is not None:
            self._streams.detach(attachment)

    def _born(self, outcome: Outcome) -> None:
        match outcome:
            case newborn.StartError():
                self._failure = outcome  # its process is about to end, and the rest follows from that
            case newborn.Resolved(uid, gid, groups):
                self.stage = Stage.RUNNING
                self._take_terminal()
                self._record(
                    facts.Started(
                        self.plan.container, self.plan.attempt, self.plan.id, self._pid, time.time(), uid, gid, groups
                    )
                )
                for number in self._held_signals:
                    self.signal(number)

    def _take_terminal(self) -> None:
        """What sends none can't be attached to; it runs all the same."""
        assert self._streams is not None
        with contextlib.suppress(OSError):
            self._streams.started()

    def _main_ended(self) -> None:
        ended = pidfd.reap(self.pidfd)
        if ended is None:
            return
        self._ended = ended
        if self._report is not None:
            self._report.finish()  # then what was held back is sent, to a process that is gone: its pidfd still is one
        self._loop.unwatch(self.pidfd)
        os.close(self.pidfd)
        self.pidfd = -1
        self.stage = Stage.ENDING
        cleanup.empty(self._loop, self._group, self._emptied)

    def _emptied(self) -> None:
        self._finish_streams()
        try:
            oom_killed = self._group.oom_kills() > 0
        except CgroupError:
            oom_killed = False
        failure = self._failure and newborn.with_cause(self._failure, self._group)
        cleanup.remove(self._loop, self._group)
        if failure is not None:
            self._fail(failure)
            return
        self.stage = Stage.OVER
        code, number = self._ended.code, self._ended.signal
        self._record(
            facts.Exited(self.plan.container, self.plan.attempt, self.plan.id, code, number, oom_killed, time.time())
        )

    def _fail(self, why: newborn.StartError) -> None:
        self._finish_streams()
        self.stage = Stage.OVER
        self._record(
            facts.StartFailed(
                self.plan.container, self.plan.attempt, self.plan.id, why.step, why.errno, why.message, time.time()
            )
        )

    def _finish_streams(self) -> None:
        if self._streams is not None:
            self._streams.finish(self._ended.code)
            self._streams = None
