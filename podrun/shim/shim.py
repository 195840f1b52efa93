"""The parent of everything in one pod: carries out requests, and records what became of them before it tells.

It has no policy: no restarts, no grace periods, nothing about pods but their uid.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from dataclasses import dataclass

from cgroups import hierarchies
from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.container import plan, pod_handles
from podrun.linux import accept4
from podrun.shim import cleanup, facts, messages, runs, sandboxes
from podrun.shim.attachments import Attachment
from podrun.shim.connection import Connection
from podrun.shim.execs import Execs
from podrun.shim.journal import Begun, Journal
from podrun.shim.loop import Loop, Timer
from podrun.shim.tickets import FullError, Ticket, Tickets

MOST_CLIENTS = 200
_WRITE_AGAIN = 1.0  # seconds, after a disk was found full
_LAST_WORDS = 2.0  # seconds that clients have to take the answer to Leave
_LONGEST_COMPLAINTS = 256 << 10  # bytes of shim.log

Key = tuple[str, int]
"""Container and attempt; an empty container stands for the sandbox."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a shim is born with."""

    pod_uid: str
    run_dir: str
    listener: socket.socket
    journal: Journal
    machine: int = -1  # the machine's mount namespace, where sources of bind mounts are


class Shim:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._journal = place.journal
        self._loop = Loop(self._complain)
        self._connections: set[Connection] = set()
        self._runs: dict[Key, runs.Run] = {}
        self._sandbox: sandboxes.Sandbox | None = None
        self._tickets = Tickets()
        self._execs = Execs(self._loop, self._main_program)
        self._attachments: dict[Connection, list[tuple[runs.Run, Attachment]]] = {}
        self._asked: dict[Key, list[tuple[Connection, int]]] = {}
        self._too_late: list[tuple[Connection, int, plan.LaunchPlan]] = []  # asked while the sandbox was ending
        self._leavers: list[tuple[Connection, int]] = []
        self._is_leaving = False
        self._write_again: Timer | None = None
        self._lost: list[Begun] = []

    def run(self) -> None:
        """Until Leave."""
        place = self._place
        place.listener.setblocking(False)
        self._lost = self._journal.unfinished()
        self._loop.watch(place.listener.fileno(), self._accept)
        self._bury_next()
        self._loop.run()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(place.run_dir, "shim.sock"))

    # What a dead shim left behind

    def _bury_next(self) -> None:
        """One after the other, the sandbox last: whatever still lives is killed, then it is written off."""
        if self._lost:
            begun = self._lost[0]
            group = Group(begun.cgroup, hierarchies.current())
            cleanup.empty(self._loop, group, lambda: self._bury(begun, group))

    def _bury(self, begun: Begun, group: Group) -> None:
        cleanup.remove(self._loop, group)
        del self._lost[0]
        now = time.time()
        if begun.container:
            self._record(facts.Exited(begun.container, begun.attempt, begun.id, 137, 0, False, now, lost=True))
        else:
            self._record(facts.SandboxEnded(begun.attempt, now))
        self._bury_next()

    # Facts

    def _record(self, *news: facts.Fact) -> None:
        for numbered in self._journal.append(*news):
            self._tell(numbered)
        if self._journal.has_waiting and self._write_again is None:
            self._write_again = self._loop.after(_WRITE_AGAIN, self._record_waiting)
        self._leave_if_empty()

    def _record_waiting(self) -> None:
        self._write_again = None
        self._record()

    def _tell(self, numbered: facts.Numbered) -> None:
        match numbered.fact:
            case facts.Started() | facts.StartFailed() as fact:
                self._answer((fact.container, fact.attempt), fact)
            case facts.SandboxStarted() | facts.SandboxFailed() as fact:
                self._answer(("", fact.attempt), fact)
        for connection in tuple(self._connections):
            if connection.follows:
                connection.send(0, numbered)
        if isinstance(numbered.fact, facts.SandboxEnded):
            too_late, self._too_late = self._too_late, []
            for connection, id, launch_plan in too_late:
                self._launch(connection, id, launch_plan)

    def _answer(self, key: Key, fact: facts.Fact) -> None:
        for connection, id in self._asked.pop(key, ()):
            connection.send(id, fact)

    def _known_answer(self, key: Key) -> facts.Fact | None:
        for numbered in reversed(self._journal.after(0)):
            match numbered.fact:
                case facts.Started(container, attempt) | facts.StartFailed(container, attempt):
                    if key == (container, attempt):
                        return numbered.fact
                case facts.SandboxStarted(attempt) | facts.SandboxFailed(attempt):
                    if key == ("", attempt):
                        return numbered.fact
        return None

    def _newest_attempt(self, container: str) -> int:
        """The highest that ever began here; -1 for none."""
        attempts = [-1]
        for numbered in self._journal.after(0):
            match numbered.fact:
                case facts.Started(name, attempt) | facts.StartFailed(name, attempt) | facts.Exited(name, attempt):
                    attempts += [attempt] if name == container else []
                case facts.SandboxStarted(attempt) | facts.SandboxFailed(attempt) | facts.SandboxEnded(attempt):
                    attempts += [] if container else [attempt]
        attempts += [begun.attempt for begun in self._journal.unfinished() if begun.container == container]
        return max(attempts)

    # Clients

    def _accept(self) -> None:
        try:
            sock = accept4.accept_stream(self._place.listener)
        except OSError:
            return
        if len(self._connections) >= MOST_CLIENTS:
            sock.close()
            return
        self._connections.add(Connection(self._loop, sock, self._request, self._hung_up))

    def _hung_up(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._execs.hung_up(connection)
        for _, attachment in self._attachments.pop(connection, ()):
            attachment.close()

    def _request(self, connection: Connection, id: int, request: object) -> None:
        try:
            self._carry_out(connection, id, request)
        except OSError as error:
            connection.refuse(id, str(error), error.errno or 0)
        except Exception as error:
            self._complain(error)
            connection.refuse(id, f"carry out {type(request).__name__}: {type(error).__name__}: {error}")

    def _carry_out(self, connection: Connection, id: int, request: object) -> None:
        match request:
            case messages.Hello():
                welcome = messages.Welcome(messages.PROTOCOL, self._place.pod_uid, os.getpid(), self._journal.last)
                connection.send(id, welcome)
            case messages.Follow(after):
                connection.follows = True
                connection.send(id, messages.Done())
                for numbered in self._journal.after(after):
                    connection.send(0, numbered)
            case messages.Acknowledge(n):
                self._journal.acknowledge(n)
                self._forget_ended_runs()
                connection.send(id, messages.Done())
            case messages.Signal() | messages.Kill():
                self._signal(connection, id, request)
            case messages.Leave():
                self._leave(connection, id)
            case _ if self._is_leaving:
                connection.refuse(id, f"carry out {type(request).__name__}: the shim is leaving")
            case messages.MakeSandbox(sandbox_plan):
                self._make_sandbox(connection, id, sandbox_plan)
            case messages.Launch(launch_plan):
                self._launch(connection, id, launch_plan)
            case messages.PrepareExec():
                self._prepare(connection, id, request.token, request.plan)
            case messages.PrepareAttach():
                self._prepare(connection, id, request.token, request)
            case messages.Exec():
                self._use_ticket(connection, id, request)
            case _:
                connection.refuse(id, f"carry out {type(request).__name__}: that is no request to a shim")

    # Sandbox and runs

    def _make_sandbox(self, connection: Connection, id: int, sandbox_plan: plan.SandboxPlan) -> None:
        key = ("", sandbox_plan.attempt)
        if isinstance(self._known_answer(key), facts.SandboxStarted) and not self._holds(sandbox_plan.attempt):
            connection.refuse(id, f"make sandbox: attempt {sandbox_plan.attempt} has ended already")
            return
        if self._is_answered(connection, id, key):
            return
        if self._sandbox is not None and self._sandbox.stage is not sandboxes.Stage.OVER:
            connection.refuse(id, f"make sandbox: attempt {self._sandbox.plan.attempt} still lives")
        elif living := self._living_runs():
            connection.refuse(id, f'make sandbox: container "{living[0].plan.container}" still runs')
        elif self._lost:
            connection.refuse(id, "make sandbox: the one before is still being taken away")
        else:
            self._journal.begin(Begun("", sandbox_plan.attempt, "", sandbox_plan.cgroup))
            self._asked[key] = [(connection, id)]
            handles = pod_handles.PodHandles(shm=f"{self._place.run_dir}/shm", machine=self._place.machine)
            self._sandbox = sandboxes.Sandbox(self._loop, sandbox_plan, handles, self._record)
            self._sandbox.make()

    def _holds(self, attempt: int) -> bool:
        sandbox = self._sandbox
        return sandbox is not None and sandbox.plan.attempt == attempt and sandbox.stage is not sandboxes.Stage.OVER

    def _launch(self, connection: Connection, id: int, launch_plan: plan.LaunchPlan) -> None:
        key = (launch_plan.container, launch_plan.attempt)
        if not launch_plan.container:
            connection.refuse(id, "launch: a container needs a name")
            return
        if self._is_answered(connection, id, key):
            return
        if self._sandbox is None or self._sandbox.stage is not sandboxes.Stage.HOLDING:
            connection.refuse(id, f'launch "{launch_plan.container}": there is no sandbox')
        elif self._sandbox.is_ending():
            self._too_late.append((connection, id, launch_plan))
        elif any(run.plan.container == launch_plan.container for run in self._living_runs()):
            connection.refuse(id, f'launch "{launch_plan.container}": an earlier attempt still runs')
        elif (target := self._target_of(launch_plan)) is None:
            reason = f'container "{launch_plan.pid_of}", whose processes it shall see, does not run'
            connection.refuse(id, f'launch "{launch_plan.container}": {reason}')
        else:
            self._journal.begin(Begun(*key, launch_plan.id, launch_plan.cgroup))
            self._asked[key] = [(connection, id)]
            self._runs[key] = runs.Run(self._loop, launch_plan, self._record)
            self._runs[key].launch(self._sandbox.handles, target)

    def _target_of(self, launch_plan: plan.LaunchPlan) -> int | None:
        """The main program whose PID namespace is joined; -1 for none, None where it does not run."""
        if not launch_plan.pid_of or launch_plan.pid is not plan.NamespaceMode.PRIVATE:
            return -1
        running = (run for run in self._living_runs() if run.stage is runs.Stage.RUNNING)
        return next((run.pidfd for run in running if run.plan.container == launch_plan.pid_of), None)

    def _is_answered(self, connection: Connection, id: int, key: Key) -> bool:
        """Whether an attempt needs no making: it was made before, is being made, or its time is past."""
        container, attempt = key
        if fact := self._known_answer(key):
            connection.send(id, fact)
        elif key in self._asked:
            self._asked[key].append((connection, id))
        elif attempt <= (newest := self._newest_attempt(container)):
            what = f'container "{container}"' if container else "the sandbox"
            connection.refuse(id, f"start attempt {attempt} of {what}: attempt {newest} has begun already")
        else:
            return False
        return True

    def _signal(self, connection: Connection, id: int, request: messages.Signal | messages.Kill) -> None:
        run = self._runs.get((request.container, request.attempt))
        if run is not None:
            match request:
                case messages.Signal(signal=number):
                    run.signal(number)
                case messages.Kill():
                    run.kill()
        elif request.attempt > self._newest_attempt(request.container):
            connection.refuse(
                id, f'signal attempt {request.attempt} of container "{request.container}": it never began'
            )
            return
        connection.send(id, messages.Done())

    def _main_program(self, container: str, attempt: int) -> int:
        run = self._runs.get((container, attempt))
        return run.pidfd if run is not None and run.stage is runs.Stage.RUNNING else -1

    # Clients that hold streams

    def _prepare(self, connection: Connection, id: int, token: str, ticket: Ticket) -> None:
        if self._main_program(ticket.container, ticket.attempt) < 0:
            connection.refuse(id, _not_running(ticket))
            return
        try:
            self._tickets.put(token, ticket)
        except FullError as error:
            connection.refuse(id, f"prepare exec: {error}")
        else:
            connection.send(id, messages.Done())

    def _use_ticket(self, connection: Connection, id: int, request: messages.Exec) -> None:
        match self._tickets.take(request.token):
            case None:
                connection.refuse(id, "exec: the token is unknown, used or expired")
            case plan.ExecPlan() as exec_plan:
                self._execs.start(connection, id, request, exec_plan)
            case messages.PrepareAttach() as wanted:
                self._attach(connection, id, wanted)

    def _attach(self, connection: Connection, id: int, wanted: messages.PrepareAttach) -> None:
        run = self._runs.get((wanted.container, wanted.attempt))
        if run is None or run.stage is not runs.Stage.RUNNING:
            connection.refuse(id, _not_running(wanted))
            return
        attachment = Attachment(self._loop, connection, id, run.detach)
        self._attachments.setdefault(connection, []).append((run, attachment))
        run.attach(attachment, wanted)

    def _living_runs(self) -> list[runs.Run]:
        return [run for run in self._runs.values() if run.stage is not runs.Stage.OVER]

    def _forget_ended_runs(self) -> None:
        self._runs = {key: run for key, run in self._runs.items() if run.stage is not runs.Stage.OVER}

    # The end

    def _leave(self, connection: Connection, id: int) -> None:
        self._is_leaving = True
        self._leavers.append((connection, id))
        for run in self._living_runs():
            with contextlib.suppress(CgroupError):  # without a kill it lives on, and so does the shim
                run.kill()
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if not self._is_leaving or self._living_runs() or self._lost:
            return
        if self._sandbox is not None and self._sandbox.stage is not sandboxes.Stage.OVER:
            self._sandbox.kill()
            return
        for connection, id in self._leavers:
            connection.send(id, messages.Done())
        self._leavers = []
        self._loop.after(_LAST_WORDS, self._loop.stop)
        self._stop_when_flushed()

    def _stop_when_flushed(self) -> None:
        if all(connection.is_flushed for connection in self._connections):
            self._loop.stop()
        else:
            self._loop.after(0.01, self._stop_when_flushed)

    def _complain(self, error: Exception) -> None:
        """What should not happen, into shim.log; the shim goes on, for the pod's sake."""
        text = "".join(traceback.format_exception(error))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            fd = os.open(os.path.join(self._place.run_dir, "shim.log"), flags, 0o600)
            try:
                if os.fstat(fd).st_size < _LONGEST_COMPLAINTS:
                    os.write(fd, f"{time.strftime('%FT%TZ', time.gmtime())} {text}".encode())
            finally:
                os.close(fd)


def _not_running(ticket: Ticket) -> str:
    return f'exec: attempt {ticket.attempt} of container "{ticket.container}" is not running'
