"""A pod's user namespace: made by who is root outside, entered by pause, containers and what is exec'd there.

Everything is mounted before it is entered, by the machine's root. The way in is one setns: the mount namespace is
copied on it, and the kernel locks all mounts of the copy, so no capability inside takes walls away.
"""

from __future__ import annotations

import errno
import os
import stat

from podrun.container.newborn import Birth, StepError, follow_parent
from podrun.container.plan import ID_COUNT
from podrun.container.program import Stdio
from podrun.linux import namespaces, pidfd, prctl, signal_mask
from podrun.linux.clone3 import Cloned, CloneFlag, clone3
from podrun.linux.syscall import SyscallError


def create(first_id: int) -> int:
    """A descriptor of a new one, whose ids 0 to 65535 are those of the machine from `first_id` on. Raises OSError.

    It needs a process to be born, which ends at once. The caller has one thread.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    before = signal_mask.block_all()
    try:
        pid, child = _clone()
        if pid == 0:
            _wait_for_end_of(read_end, write_end)
        try:
            for file in ("uid_map", "gid_map"):
                _write(f"/proc/{pid}/{file}", f"0 {first_id} {ID_COUNT}")
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(write_end)
            write_end = -1
            pidfd.reap(child, wait=True)
            os.close(child)
    finally:
        signal_mask.restore(before)
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)


def _clone() -> Cloned:
    try:
        return clone3(CloneFlag.NEWUSER)
    except SyscallError as error:
        if error.errno not in (errno.ENOSPC, errno.EUSERS):
            raise
        reason = "user.max_user_namespaces of this machine allows no more user namespaces (hostUsers: false)"
        raise StepError(error.errno, reason) from error


def _wait_for_end_of(read_end: int, write_end: int) -> None:
    try:
        os.close(write_end)
        os.read(read_end, 1)
    finally:
        os._exit(0)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def give_pipes(stdio: Stdio, first_id: int) -> None:
    """While one may: to the root inside, who gives them to the program's user later."""
    for stream in stdio[:3]:
        if stream >= 0 and stat.S_ISFIFO(os.fstat(stream).st_mode):
            os.fchown(stream, first_id, first_id)


def enter(namespace: int, kinds: CloneFlag) -> None:
    """With new namespaces of `kinds`, which belong to it. One is nobody there until `become_root`."""
    namespaces.setns(namespace, CloneFlag.NEWUSER)
    namespaces.unshare(kinds)


def become_root(birth: Birth) -> None:
    """Of the user namespace just entered, with all capabilities over it and none outside."""
    os.setgroups(())
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    prctl.set_dumpable(False)
    follow_parent(birth)
