"""The life of a pause process, and what containers need of it. Facts go to `record`; nothing is decided here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum, auto

from cgroups import hierarchies
from cgroups.group import Group
from podrun.container import newborn, plan, pod_handles, sandbox, user_namespace
from podrun.linux import mount, namespaces, pidfd
from podrun.shim import cleanup, facts
from podrun.shim.loop import Loop
from podrun.shim.reports import Outcome, Report


class Stage(Enum):
    STARTING = auto()
    HOLDING = auto()
    OVER = auto()  # SandboxEnded or SandboxFailed is recorded


class Sandbox:
    """`make` begins it, and `record` gets SandboxStarted and SandboxEnded, or SandboxFailed."""

    def __init__(
        self,
        loop: Loop,
        sandbox_plan: plan.SandboxPlan,
        handles: pod_handles.PodHandles,
        record: Callable[[facts.Fact], None],
    ) -> None:
        self.plan = sandbox_plan
        self.stage = Stage.STARTING
        self.handles = handles
        self._loop = loop
        self._record = record
        self._group = Group(sandbox_plan.cgroup, hierarchies.current())
        self._pid = 0
        self._report: Report | None = None
        self._failure: newborn.StartError | None = None
        self._mounted: list[str] = []

    def make(self) -> None:
        """Clone pause. What goes wrong, here or later, becomes a SandboxFailed."""
        step = "mount memory"
        try:
            self._mount()
            step = "make user namespace"
            if self.plan.first_id:
                self.handles.user_namespace = user_namespace.create(self.plan.first_id)
            step = "clone"
            child = sandbox.spawn_pause(self.plan, self.handles.user_namespace)
        except newborn.SpawnError as error:
            self._fail(error.reason)
        except Exception as error:
            self._fail(newborn.describe(step, error))
        else:
            self._pid, self.handles.pause = child.pid, child.pidfd
            self._report = Report(self._loop, child.report, self._born)
            self._loop.watch(child.pidfd, self._ended)

    def _mount(self) -> None:
        """What all containers share in memory: /dev/shm and the volumes that are never on disk."""
        pod_handles.mount_pod_shm(self.handles.shm, self.plan.shm_size, self.plan.first_id)
        self._mounted.append(self.handles.shm)
        for held in self.plan.held:
            pod_handles.mount_held(held)
            self._mounted.append(held.path)

    def kill(self) -> None:
        """SIGKILL for pause. Raises CgroupError."""
        if self.stage is not Stage.OVER:
            self._group.kill()

    def is_ending(self) -> bool:
        """Whether pause, which has held, does so no more, though its end is not recorded yet.

        It has left its namespaces by then; the rest of its end waits, in a PID namespace of the pod, for all others.
        """
        if self.handles.pause < 0:
            return True
        try:
            namespaces.inode(self._pid, "net")
        except OSError:
            return True
        return False

    def _born(self, outcome: Outcome) -> None:
        match outcome:
            case newborn.StartError():
                self._failure = outcome  # its process is about to end, and the rest follows from that
            case newborn.Resolved():
                try:
                    netns = namespaces.inode(self._pid, "net")
                except OSError as error:
                    self._failure = newborn.describe("read namespaces", error)
                    self._group.kill()
                    return
                self.stage = Stage.HOLDING
                self._record(facts.SandboxStarted(self.plan.attempt, self._pid, netns, time.time()))

    def _ended(self) -> None:
        # Pause is a zombie until here, so its number could not have become another process in _born.
        if self._report is not None:
            self._report.finish()
        if pidfd.reap(self.handles.pause) is None:
            return
        self._loop.unwatch(self.handles.pause)
        os.close(self.handles.pause)
        self.handles.pause = -1
        cleanup.empty(self._loop, self._group, self._emptied)

    def _emptied(self) -> None:
        failure = self._failure and newborn.with_cause(self._failure, self._group)
        cleanup.remove(self._loop, self._group)
        if failure is not None:
            self._fail(failure)
            return
        self._end(facts.SandboxEnded(self.plan.attempt, time.time()))

    def _fail(self, why: newborn.StartError) -> None:
        self._end(facts.SandboxFailed(self.plan.attempt, str(why), time.time()))

    def _end(self, fact: facts.Fact) -> None:
        for path in reversed(self._mounted):
            mount.umount_detach(path)
        if self.handles.user_namespace >= 0:
            os.close(self.handles.user_namespace)
            self.handles.user_namespace = -1
        self.stage = Stage.OVER
        self._record(fact)
