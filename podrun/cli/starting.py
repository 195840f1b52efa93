"""Starts the kubelet for a command that needs it: through systemd where that keeps it, else as a process of its own.

The process keeps nothing of the caller: no descriptor, no session, no directory, and of its environment the settings.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from podrun.cli import systemd
from podrun.cli.client import Client
from podrun.errors import PodrunError
from podrun.paths import Paths

PATIENCE = 60.0
"""Seconds that a kubelet may take until it answers; adopting many pods on a busy machine takes some."""

OPENING = 3.0
"""Seconds for another kubelet, which was first to the lock, to open its socket."""

LARGEST_LOG = 10 * 1024 * 1024
ALREADY_SERVED = "another one already serves"

_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
_KEPT_IN_ANY_CASE = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def log_file(paths: Paths) -> Path:
    return paths.root / "kubelet.log"


def start(paths: Paths) -> None:
    """Returns when the kubelet answers. PodrunError: not root, or it failed; then in the words of its log."""
    if os.geteuid() != 0:
        raise PodrunError("cannot start the kubelet: must be run as root", hint="use sudo")
    if systemd.keeps_kubelet(paths):
        if words := systemd.start():
            raise _failure(last_error(words), "systemd says no more")
        _await_socket(paths, lambda: False, lambda: "")
        return
    log = log_file(paths)
    try:
        paths.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _rotate(log)
        with _one_starter(log):
            if Client(str(paths.socket)).is_up():
                return
            before = log.stat().st_size
            pidfd = _spawn(log, environment(paths, os.environ))
            try:
                _await_socket(paths, lambda: pidfd is None or _has_ended(pidfd), lambda: _last_words(log, before))
            finally:
                if pidfd is not None:
                    os.close(pidfd)
    except OSError as error:
        raise PodrunError(f"cannot start the kubelet: {error.filename or paths.root}: {error.strerror}") from error


def environment(paths: Paths, caller: Mapping[str, str]) -> dict[str, str]:
    """What a kubelet gets to see of the environment of the command that starts it."""
    kept = {
        name: value
        for name, value in caller.items()
        if name in _KEPT or name.startswith("LC_") or name.lower() in _KEPT_IN_ANY_CASE
    }
    return {"PATH": _DEFAULT_PATH} | kept | paths.environment()


@contextlib.contextmanager
def _one_starter(log: Path) -> Iterator[None]:
    """Of several commands at once, one starts the kubelet; the others wait here, and then find it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))


def _spawn(log: Path, variables: Mapping[str, str]) -> int | None:
    """A pidfd of the new kubelet; None if it has ended already. Forked twice, so that it is nobody's child."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _become_kubelet(log, variables, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told.isdigit():
        raise PodrunError(f"cannot start the kubelet: {told.decode(errors='replace') or 'fork failed'}")
    try:
        return os.pidfd_open(int(told))
    except ProcessLookupError:
        return None


def _become_kubelet(log: Path, variables: Mapping[str, str], told: int) -> NoReturn:
    """In the child: never returns, and runs none of the caller's handlers or buffers."""
    try:
        os.setsid()
        grandchild = os.fork()
        if grandchild:
            os.write(told, str(grandchild).encode())
            os._exit(0)
        os.chdir("/")
        os.umask(0o022)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open(os.devnull, os.O_RDWR)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((null, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execve(sys.executable, [sys.executable, "-I", "-m", "podrun.cli", "kubelet"], dict(variables))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(2, f"error: cannot start the kubelet: {error}\n".encode())
    finally:
        os._exit(1)


def _await_socket(paths: Paths, has_ended: Callable[[], bool], last_words: Callable[[], str]) -> None:
    """Until it answers. PodrunError: the process that was started has ended, or patience has."""
    client = Client(str(paths.socket))
    deadline = time.monotonic() + PATIENCE
    ended = False
    pause = 0.005
    while not client.is_up():
        if not ended and has_ended():
            ended = True
            if ALREADY_SERVED not in last_words():
                raise _failure(last_words(), "it ended at once")
            deadline = time.monotonic() + OPENING
        if time.monotonic() > deadline:
            raise _failure(last_words(), "it does not answer")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _failure(words: str, otherwise: str) -> PodrunError:
    error, _, hint = words.partition("\nhint: ")
    why = error.removeprefix("cannot run the kubelet: ").removeprefix("cannot start the kubelet: ") or otherwise
    return PodrunError(f"cannot start the kubelet: {why}", hint=hint or "podrun system logs shows more")


def _last_words(log: Path, start: int) -> str:
    """What the kubelet wrote last since `start`, a position in its log."""
    with log.open("rb") as file:
        file.seek(start)
        return last_error(file.read().decode(errors="replace"))


def last_error(text: str) -> str:
    """The last `error: ...` of a log with its `hint: ...` below, else the last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith("error: "):
            hints = [line for line in lines[index + 1 : index + 2] if line.startswith("hint: ")]
            return "\n".join([lines[index].removeprefix("error: "), *hints])
    return lines[-1] if lines else ""
