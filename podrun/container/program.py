"""From a process inside its root to the program in its place: standard streams, directory, limits, identity, exec.

The same for a container's main program and for one that is exec'd into it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # without the enumerations that `signal` makes of numbers
import errno
import fcntl
import os
import signal
import stat
import termios
from dataclasses import dataclass
from typing import NamedTuple

from podrun.container import devices, identity
from podrun.container.identity import Account
from podrun.container.newborn import Birth, StepError, announce, follow_parent
from podrun.container.plan import ID_COUNT, ExecPlan, LaunchPlan
from podrun.linux import app_armor, close_range, keyctl, prctl, rlimits, rt_sigaction
from podrun.linux.openat2 import Resolve, make_directories, openat2

_LAST_ID = ID_COUNT - 1  # in a user namespace
_SIGNALS = tuple(map(int, signal.valid_signals()))
_IGNORED = int(signal.SIG_IGN)
_SIGNALS_OF_LIBC = (32, 33)  # nptl(7); the signal module does not reach them


class Stdio(NamedTuple):
    """Inner ends, made by the caller and closed by it after the birth; -1 is the container's own /dev/null.

    Another null device becomes that, too: through the machine's, the container's root could change its mode.

    With `tty` all three are the same pty, which becomes the controlling terminal. With `console`, one end of a stream
    socket, the child makes it itself, of that size unless 0, and sends its master there (container/terminal.py).
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False
    console: int = -1
    rows: int = 0
    columns: int = 0


_NOBODY_YET = Account(0, 0, (0,), "/")


@dataclass(slots=True, kw_only=True)
class ProgramBirth(Birth):
    plan: LaunchPlan | ExecPlan
    stdio: Stdio
    account: Account = _NOBODY_YET
    app_armor: int = -1  # /proc/self/attr of the machine's own procfs, open for writing


def open_app_armor(birth: ProgramBirth) -> None:
    """While /proc is still the machine's own: in the container's, a write could go elsewhere (CVE-2025-52881)."""
    if birth.plan.app_armor:
        birth.app_armor = app_armor.open_exec_attribute()


def find_user(birth: ProgramBirth) -> None:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    largest = _LAST_ID if birth.plan.first_id else identity.LARGEST_ID
    birth.account = identity.look_up(root, birth.plan.identity, largest)
    os.close(root)


def set_stdio(birth: ProgramBirth) -> None:
    """Leave no descriptor open but the standard streams and the report. The user may open his streams again by name."""
    wanted = tuple(-1 if fd != -1 and devices.is_null(fd) else fd for fd in birth.stdio[:3])
    null = _open_null() if -1 in wanted else -1
    # First out of the way of 0, 1 and 2: one could be in another's place.
    clear = [fcntl.fcntl(null if fd == -1 else fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in wanted]
    birth.report = fcntl.fcntl(birth.report, fcntl.F_DUPFD_CLOEXEC, 10)
    birth.parent = fcntl.fcntl(birth.parent, fcntl.F_DUPFD_CLOEXEC, 10)
    for number, (fd, given) in enumerate(zip(clear, wanted, strict=True)):
        os.dup2(fd, number)
        if given != -1 and (birth.stdio.tty or stat.S_ISFIFO(os.fstat(number).st_mode)):
            os.fchown(number, birth.account.uid, -1)
    if birth.app_armor >= 0:
        birth.app_armor = fcntl.fcntl(birth.app_armor, fcntl.F_DUPFD_CLOEXEC, 10)
    close_range.close_all_but(
        (0, 1, 2, birth.report, birth.parent, *([birth.app_armor] if birth.app_armor >= 0 else []))
    )
    os.setsid()
    if birth.stdio.tty:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _open_null() -> int:
    """The container's own. Where it has none, a pipe without another end takes its place."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = openat2(root, "/dev/null", os.O_PATH, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
        if devices.is_null(place):
            return openat2(root, "/dev/null", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        pass
    finally:
        os.close(root)
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    os.close(write_end)
    return read_end


def enter_working_directory(birth: ProgramBirth) -> None:
    """By descriptor, without magic links: /proc/self/fd/N as a directory led out of the container in CVE-2024-21626."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    directory = make_directories(root, birth.plan.cwd)
    os.fchdir(directory)
    os.close(directory)
    os.close(root)
    if not os.getcwd().startswith("/"):
        raise StepError(errno.ENOENT, f"the working directory {birth.plan.cwd} is outside of the container")


def set_limits(birth: ProgramBirth) -> None:
    for limit in birth.plan.rlimits:
        if not rlimits.set_as_far_as_allowed(limit.name, limit.soft, limit.hard):
            birth.notes.append(f"RLIMIT_{limit.name} could not be raised to {limit.hard} without CAP_SYS_RESOURCE")


def drop_privileges(birth: ProgramBirth) -> None:
    keyctl.join_session_keyring()
    if birth.app_armor >= 0:
        app_armor.change_at_exec(birth.app_armor, birth.plan.app_armor)
    identity.drop_privileges(birth.plan.identity, birth.account, filtered=bool(birth.plan.seccomp))
    prctl.set_dumpable(False)  # with fs.suid_dumpable=1, the change of identity has made us readable to the container
    follow_parent(birth)


def execute(birth: ProgramBirth) -> None:
    environment = dict(entry.split("=", 1) for entry in birth.plan.env if "=" in entry)
    environment.setdefault("HOME", birth.account.home)
    name = birth.plan.argv[0] if birth.plan.argv else ""
    program = find_program(name, environment.get("PATH", ""))
    announce(birth, birth.account.uid, birth.account.gid, birth.account.groups)
    os.umask(0o022)
    _default_signals()
    if birth.plan.seccomp:
        identity.load_filter(birth.plan.identity, birth.plan.seccomp)
    try:
        os.execve(program, birth.plan.argv, environment)
    except OSError as error:
        raise _not_executed(name, error.errno or 0) from error


def find_program(name: str, path: str) -> str:
    """Where `name` is, along `path` if it has no slash. Raises StepError in the words of Go's exec."""
    if "/" in name:
        if os.path.isdir(name):
            raise _not_executed(name, errno.EISDIR)
        return name
    denied = False
    for directory in path.split(":") if name else ():
        candidate = f"{directory or '.'}/{name}"
        try:
            if not stat.S_ISREG(os.stat(candidate).st_mode):
                continue
        except OSError as error:
            denied |= error.errno == errno.EACCES
            continue
        if os.access(candidate, os.X_OK):
            return candidate
        denied = True
    if denied:
        raise _not_executed(name, errno.EACCES)
    raise StepError(errno.ENOENT, f'exec: "{name}": executable file not found in $PATH')


def _not_executed(name: str, number: int) -> StepError:
    return StepError(number, f'exec: "{name}": {os.strerror(number).lower()}')


def _default_signals() -> None:
    """CPython ignores SIGPIPE and SIGXFSZ, and exec would keep that."""
    for number in _SIGNALS:
        if _signal.getsignal(number) == _IGNORED:
            signal.signal(number, signal.SIG_DFL)
    for beyond in _SIGNALS_OF_LIBC:  # which a parent may have left ignored: some init programs do
        rt_sigaction.set_default(beyond)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


STEPS = (find_user, set_stdio, enter_working_directory, set_limits, drop_privileges, execute)
"""From inside the root to the program. Nothing is imported on the way: there is no standard library any more."""
