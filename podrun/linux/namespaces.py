"""setns(2), unshare(2), sethostname(2), and the number by which a namespace is known."""

from __future__ import annotations

import os
from ctypes import c_char_p, c_int, c_size_t

from podrun.linux.clone3 import CloneFlag
from podrun.linux.syscall import check, declare

_setns = declare("setns", c_int, c_int)
_unshare = declare("unshare", c_int)
_sethostname = declare("sethostname", c_char_p, c_size_t)


def setns(fd: int, kinds: CloneFlag) -> None:
    """Join the namespaces `kinds` of a process (`fd` is its pidfd, Linux 5.8), or the one that `fd` refers to.

    ESRCH: the process has ended. NEWPID counts for children only.
    """
    check(_setns(fd, kinds), "setns", fd, kinds)


def unshare(kinds: CloneFlag) -> None:
    check(_unshare(kinds), "unshare", kinds)


def sethostname(name: str) -> None:
    """Of the caller's UTS namespace; 64 bytes at most."""
    encoded = os.fsencode(name)
    check(_sethostname(encoded, len(encoded)), "sethostname", name)


def inode(pid: int, kind: str) -> int:
    """The inode number of a process's namespace, `kind` as in /proc/<pid>/ns: "net", "mnt". Raises OSError.

    Two processes share the namespace exactly when the numbers are equal.
    """
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
