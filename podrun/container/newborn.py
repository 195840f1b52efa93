"""The birth of a process in a pod: one clone3, an ordered list of steps in the child, a pipe that tells how it went.

Pause, containers and exec'd processes are all born here. It does not know what the steps do.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import NoReturn, TypeVar

from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.errors import in_words
from podrun.linux import namespaces, pidfd, prctl, signal_mask
from podrun.linux.clone3 import CloneFlag, clone3
from podrun.linux.syscall import SyscallError

_LONGEST_MESSAGE = 2000  # characters; a report fits in a pipe without blocking


@dataclass(frozen=True, slots=True)
class Newborn:
    """A child that is on its way. All three descriptors and the child itself are the caller's to close and to reap."""

    pid: int  # for display only: whoever signals uses the pidfd
    pidfd: int
    report: int  # non-blocking read end: collect all bytes until EOF, then `read_outcome`


@dataclass(frozen=True, slots=True)
class Resolved:
    """It was exec'd (pause: it holds). `notes` are what could not be done as wished and was gone on without."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StartError:
    """It was never exec'd; `step` in words, `errno` 0 where it was no system call."""

    step: str
    errno: int
    message: str

    def __str__(self) -> str:
        return f"{self.step}: {self.message}"


KILLED = StartError("start", 0, "the process was killed before it could start its program")
OUT_OF_MEMORY = StartError("start", 0, "container init was OOM-killed (memory limit too low?)")  # runc's words


class SpawnError(Exception):
    """Not even a child came to be. Nothing is left behind."""

    def __init__(self, reason: StartError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class StepError(OSError):
    """A step failed in words of its own; `errno` may be 0."""

    def __init__(self, error: int, message: str) -> None:
        super().__init__(error, message)

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(slots=True, kw_only=True)
class Birth:
    """What the steps of one child share; extended by each kind of child."""

    report: int = -1  # write end, close-on-exec
    parent: int = -1  # pidfd of the parent
    notes: list[str] = field(default_factory=list)


B = TypeVar("B", bound=Birth)


def read_outcome(report: bytes) -> Resolved | StartError:
    """What all bytes of a report, up to its EOF, mean. Never raises: no child can confuse its parent."""
    outcome: Resolved | StartError = KILLED
    for line in report.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = json.loads(line)
            if "step" in said:
                return StartError(str(said["step"]), int(said["errno"]), str(said["message"]))
            groups, notes = tuple(map(int, said["groups"])), tuple(map(str, said["notes"]))
            outcome = Resolved(int(said["uid"]), int(said["gid"]), groups, notes)
    return outcome


def bear(
    steps: Sequence[Callable[[B], None]],
    birth: B,
    flags: int,
    *,
    cgroup: int = -1,
    pid_namespace_of: int = -1,
) -> Newborn:
    """A child that runs `steps` and must end inside of the last one; the caller returns at once.

    `cgroup` is a descriptor of its v2 group, `pid_namespace_of` the pidfd of a process whose PID namespace the child is
    born into. The caller has one thread. Raises SyscallError.
    """
    with contextlib.ExitStack() as undo:
        read_end, birth.report = os.pipe2(os.O_CLOEXEC)
        undo.callback(os.close, birth.report)
        on_failure = undo.enter_context(contextlib.ExitStack())
        on_failure.callback(os.close, read_end)
        os.set_blocking(read_end, False)
        birth.parent = os.pidfd_open(os.getpid())
        undo.callback(os.close, birth.parent)
        undo.callback(signal_mask.restore, signal_mask.block_all())
        with _children_born_in(pid_namespace_of):
            pid, child = clone3(flags, cgroup)
            if pid == 0:
                _live(steps, birth)
        on_failure.pop_all()
        return Newborn(pid, child, read_end)


def warm_up() -> None:
    """For the fork server, once, after all imports: what Python loads or makes at first use is there for every child.

    Objects made so far are kept from the collector, which would copy their pages in each child that it runs in.
    """
    failure = describe("start", SyscallError(2, "open('/x')"))
    assert read_outcome(json.dumps(asdict(failure)).encode()) == failure
    success = Resolved(0, 0, (0,), ("a note",))
    assert read_outcome(json.dumps(asdict(success)).encode()) == success
    b"\xff".decode(errors="replace").encode().decode(errors="surrogateescape")
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _children_born_in(pid_namespace_of: int) -> Iterator[None]:
    """The PID namespace for children is that of another process for a while; the caller's own never changes."""
    if pid_namespace_of < 0:
        yield
        return
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespaces.setns(pid_namespace_of, CloneFlag.NEWPID)
        yield
    finally:
        namespaces.setns(own, CloneFlag.NEWPID)
        os.close(own)


def _live(steps: Sequence[Callable[[B], None]], birth: B) -> NoReturn:
    step = steps[0]
    try:
        gc.disable()  # a collection would copy every page that it looks at
        for step in steps:
            step(birth)
        raise AssertionError("the last step returned")
    except BaseException as error:
        with contextlib.suppress(BaseException):
            _tell(birth, asdict(describe(step.__name__.replace("_", " "), error)))
    finally:
        os._exit(70)


def describe(step: str, error: BaseException) -> StartError:
    """An exception in the words that a user reads."""
    if not isinstance(error, OSError):
        return StartError(step, 0, f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE])
    return StartError(step, error.errno or 0, in_words(error)[:_LONGEST_MESSAGE])


def with_cause(failure: StartError, group: Group) -> StartError:
    """Why it was never exec'd, once all in its group have ended."""
    with contextlib.suppress(CgroupError):
        if failure is KILLED and group.oom_kills():
            return OUT_OF_MEMORY
    return failure


def announce(birth: Birth, uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Tell the parent who the child is going to be. What can still fail after it is told as a failure."""
    _tell(birth, asdict(Resolved(uid, gid, groups, tuple(birth.notes))))


def _tell(birth: Birth, report: dict[str, object]) -> None:
    os.write(birth.report, json.dumps(report).encode() + b"\n")


def follow_parent(birth: Birth) -> None:
    """Die with the parent. Called again after each change of identity, which clears it."""
    prctl.set_parent_death_signal(signal.SIGKILL)
    if pidfd.has_ended(birth.parent):  # it ended before the call above; getppid() is 0 in a new PID namespace
        os._exit(70)
