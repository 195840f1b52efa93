"""keyctl(2), as far as a container needs it: a session keyring that holds nothing of the caller's."""

from __future__ import annotations

import ctypes
import errno
import os

from podrun.linux.syscall import check, declare_syscall

_NR_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}.get(os.uname().machine)
_JOIN_SESSION_KEYRING = 1

_keyctl = declare_syscall(_NR_KEYCTL, ctypes.c_int, ctypes.c_char_p) if _NR_KEYCTL is not None else None


def join_session_keyring() -> None:
    """A new, empty session keyring. A kernel without keyrings (ENOSYS) needs none."""
    if _keyctl is None:
        return
    result = _keyctl(_JOIN_SESSION_KEYRING, None)
    if result < 0 and ctypes.get_errno() == errno.ENOSYS:
        return
    check(result, "keyctl", "JOIN_SESSION_KEYRING")
