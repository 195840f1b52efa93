"""Forks a shim in a few milliseconds: a small interpreter of one thread that has imported all that a shim needs.

`python -I -m podrun.shim.fork_server --socket-fd N`. It leaves when the socket ends; its shims stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import socket
import sys
import traceback
from typing import NoReturn

import prctl as process_names

from cgroups import hierarchies
from cgroups.group import Group
from podrun.container import newborn
from podrun.linux import close_range, mallopt, mount, namespaces, pidfd, prctl, signal_mask
from podrun.linux.clone3 import CloneFlag, clone3
from podrun.linux.mount import MountFlag
from podrun.shim import common_code, density, journal, messages, wire
from podrun.shim.shim import Place, Shim

_WALLED = "--walled"
_LONGEST_SOCKET_PATH = 107  # bytes, unix(7)
_BACKLOG = 64
_KEPT_FREE = 1 << 20  # bytes; a shim that copies a flood of lines into its log would fault all its buffers in each time

_SLAVES = MountFlag.SLAVE | MountFlag.REC


class Refusal(Exception):
    """Why a shim was not forked."""


class ForkServer:
    def __init__(self, requests: socket.socket, machine: int) -> None:
        self._requests = requests
        self._machine = machine  # the mount namespace of the machine, from before the walls
        self._shims: dict[int, str] = {}  # cgroup by pidfd

    def serve(self) -> None:
        """Until the other end closes. One request at a time: forking is all there is to do."""
        poll = select.poll()  # no descriptor of its own, unlike epoll: a child inherits nothing by it
        poll.register(self._requests, select.POLLIN)
        received = b""
        while True:
            for fd in self._shims:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd in self._shims:
                    poll.unregister(fd)
                    self._bury(fd)
                    continue
                try:
                    chunk = self._requests.recv(65536)
                    if not chunk:
                        return
                    *lines, received = (received + chunk).split(b"\n")
                    for line in lines:
                        self._requests.sendall(self._answer(line))
                except (BrokenPipeError, ConnectionResetError):
                    return  # the kubelet was killed while it waited for an answer

    def _answer(self, line: bytes) -> bytes:
        id = 0
        try:
            id, request = wire.decode(line)
            if not isinstance(request, messages.ForkShim):
                raise Refusal(f"{type(request).__name__} is no request to a fork server")
            return wire.encode(messages.Forked(self._fork(request)), id)
        except wire.WireError as error:
            return wire.encode(messages.Refused(f"read a request: {error}"), error.id or 0)
        except (Refusal, journal.JournalError) as error:
            return wire.encode(messages.Refused(f"fork shim: {error}"), id)
        except OSError as error:
            return wire.encode(messages.Refused(f"fork shim: {error}", error.errno or 0), id)
        except Exception as error:
            traceback.print_exc()  # into the kubelet's log
            return wire.encode(messages.Refused(f"fork shim: {type(error).__name__}: {error}"), id)

    def _fork(self, request: messages.ForkShim) -> int:
        """All that can fail is done before the fork, so that a Forked shim takes requests."""
        with contextlib.ExitStack() as opened:
            directory = os.open(request.run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, directory)
            lock = _take_lock(directory)
            opened.callback(os.close, lock)
            book = journal.Journal(os.path.join(request.run_dir, "journal"), request.boot_id, request.after)
            opened.callback(book.close)
            listener = opened.enter_context(_listen(directory, request.run_dir))
            group = Group(request.cgroup, hierarchies.current())
            group.create(limited=False)
            cgroup = group.open_for_clone()
            opened.callback(os.close, cgroup)
            before = signal_mask.block_all()
            try:
                pid, shim = clone3(0, cgroup)
            finally:
                signal_mask.restore(before)
            if pid == 0:
                kept = (0, 1, 2, lock, book.fd, listener.fileno(), self._machine)
                _be_shim(Place(request.pod_uid, request.run_dir, listener, book, self._machine), kept)
            self._shims[shim] = request.cgroup
            return pid

    def _bury(self, shim: int) -> None:
        pidfd.reap(shim, wait=True)
        os.close(shim)
        group = Group(self._shims.pop(shim), hierarchies.current())
        with contextlib.suppress(OSError):
            group.remove(timeout=0)


def _take_lock(directory: int) -> int:
    """Held as long as the shim lives: the lock belongs to the open file, which the shim inherits."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Refusal("a shim of this pod lives") from error
    return lock


def _listen(directory: int, run_dir: str) -> socket.socket:
    path = os.path.join(run_dir, "shim.sock")
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        path = f"/proc/self/fd/{directory}/shim.sock"
    with contextlib.suppress(FileNotFoundError):
        os.unlink("shim.sock", dir_fd=directory)  # of a dead shim: its lock is ours
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _be_shim(place: Place, kept: tuple[int, ...]) -> NoReturn:
    """The life of a shim. The fork server's frames are above it, and it never returns to them."""
    status = 1
    try:
        _leave_fork_server(place.pod_uid, kept)
        Shim(place).run()
        status = 0
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(status)


def _leave_fork_server(pod_uid: str, kept: tuple[int, ...]) -> None:
    # No child subreaper: orphans of a pod belong to process 1 of their PID namespace, the container's own or pause.
    close_range.close_all_but(kept)
    os.setsid()
    signal_mask.block_none()
    namespaces.unshare(CloneFlag.NEWNS)
    mount.mount("none", "/", flags=_SLAVES)
    process_names.set_proctitle(f"podrun-shim {pod_uid}")
    process_names.set_name("podrun-shim")
    gc.enable()  # what was there before the fork is frozen and stays shared
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _enter_walls() -> NoReturn:
    """A mount namespace of our own, in which this interpreter is read-only, and the interpreter anew from there: a
    container that keeps /proc/self/exe of a joining process then holds nothing that can be written."""
    machine = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    os.set_inheritable(machine, True)
    namespaces.unshare(CloneFlag.NEWNS)
    mount.mount("none", "/", flags=MountFlag.SLAVE | MountFlag.REC)
    interpreter = os.path.realpath(sys.executable)
    mount.mount(interpreter, interpreter, flags=MountFlag.BIND)
    mount.mount("none", interpreter, flags=MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY)
    # Cleared but for one entry: with an empty environment CPython makes one on the heap, and set_proctitle, which looks
    # for the arguments below the first entry, runs into nowhere.
    argv = [sys.executable, *sys.orig_argv[1:], _WALLED, str(machine)]
    os.execve(sys.executable, argv, {"LC_ALL": "C.UTF-8"})


def _prepare_for_shims() -> None:
    """What each shim would do for itself, once."""
    os.chdir("/")
    os.umask(0o022)
    # A shim ends by Leave: a stray SIGTERM, as at a machine's shutdown, must not kill the pod before its time. This
    # server ends with its socket.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _fear_no_oom() -> None:
    """A machine out of memory should not take the witnesses first. Children set their own score; proc(5)."""
    with contextlib.suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-998")


def main() -> None:
    fd = _number_after("--socket-fd")
    prctl.set_dumpable(False)
    if _WALLED not in sys.argv:
        os.set_inheritable(fd, True)
        _enter_walls()
    machine = _number_after(_WALLED)
    for inherited in (fd, machine):
        os.set_inheritable(inherited, False)
    process_names.set_proctitle("podrun-fork-server")
    process_names.set_name("podrun-forks")
    _fear_no_oom()
    _prepare_for_shims()
    mallopt.keep_free_memory(_KEPT_FREE)
    hierarchies.current()
    wire.warm_up()
    newborn.warm_up()
    gc.collect()
    kept = density.lay_out(common_code.COMMON_CODE)
    gc.freeze()
    gc.disable()
    ForkServer(socket.socket(fileno=fd), machine).serve()
    del kept


def _number_after(option: str) -> int:
    return int(sys.argv[sys.argv.index(option) + 1])


if __name__ == "__main__":
    main()
