"""rt_sigaction(2), for what the C library keeps to itself: its own two signals, 32 and 33."""

from __future__ import annotations

import ctypes
import os

from podrun.linux.syscall import check, declare_syscall

NR_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}.get(os.uname().machine, 134)
_SIGNAL_SET_BYTES = 8
_DEFAULT = bytes(32)  # struct sigaction of the kernel: SIG_DFL, no flags, empty mask

_rt_sigaction = declare_syscall(NR_RT_SIGACTION, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)


def set_default(number: int) -> None:
    """SIG_DFL for any signal but SIGKILL and SIGSTOP. Raises SyscallError."""
    result = _rt_sigaction(number, _DEFAULT, None, _SIGNAL_SET_BYTES)
    check(result, "rt_sigaction", number, "SIG_DFL")
