"""clone3(2): a child in new namespaces and in its own cgroup from its first instruction.

Only for processes with one thread: CPython with a second one hangs in the child.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from enum import IntFlag
from typing import NamedTuple

from podrun.linux.syscall import NR_CLONE3, check


class CloneFlag(IntFlag):
    """CLONE_* of linux/sched.h; the namespace flags are also those of setns(2) and unshare(2)."""

    PIDFD = 0x00001000
    PARENT = 0x00008000
    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000
    INTO_CGROUP = 0x200000000


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            [
                "flags",
                "pidfd",
                "child_tid",
                "parent_tid",
                "exit_signal",
                "stack",
                "stack_size",
                "tls",
                "set_tid",
                "set_tid_size",
                "cgroup",
            ]
        )
    )


class Cloned(NamedTuple):
    pid: int  # 0 in the child
    pidfd: int  # close-on-exec; -1 in the child


_SIGCHLD, _ARGS_BYTES = int(signal.SIGCHLD), ctypes.sizeof(_CloneArgs)
_PIDFD, _INTO_CGROUP = int(CloneFlag.PIDFD), int(CloneFlag.INTO_CGROUP)

# PyDLL keeps the interpreter's lock over the call: the child must not find it released in mid-air.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.POINTER(_CloneArgs), ctypes.c_size_t)


def clone3(flags: int, cgroup: int = -1) -> Cloned:
    """Fork with `flags`, a sum of CloneFlag; PIDFD is added. `cgroup`: a descriptor of a v2 directory, -1 for our own.

    The child must end in exec or os._exit. It starts with the caller's signal mask: block all around the call. The
    parent gets SIGCHLD. Raises SyscallError. Linux 5.7, clone(2).
    """
    if len(sys._current_frames()) != 1:
        raise RuntimeError("clone3 needs a process with one thread")
    pidfd = ctypes.c_int(-1)
    wanted = int(flags) | _PIDFD  # plain numbers: a shim spares itself what Python's flags do to be added up
    args = _CloneArgs(flags=wanted, pidfd=ctypes.addressof(pidfd), exit_signal=_SIGCHLD)
    if cgroup >= 0:
        args.flags = wanted | _INTO_CGROUP
        args.cgroup = cgroup
    pid = _syscall(NR_CLONE3, args, _ARGS_BYTES)
    if pid < 0:
        check(pid, "clone3", CloneFlag(flags))
    return Cloned(pid, pidfd.value if pid else -1)
