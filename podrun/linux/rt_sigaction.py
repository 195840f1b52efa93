"""rt_sigaction(2), for what the C library keeps to itself: its own two signals, 32 and 33."""

from __future__ import annotations

import ctypes
import platform

from podrun.linux.syscall import check, syscall

NR_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}.get(platform.machine(), 134)
_SIGNAL_SET_BYTES = 8
_DEFAULT = ctypes.create_string_buffer(32)  # struct sigaction of the kernel: SIG_DFL, no flags, empty mask


def set_default(number: int) -> None:
    """SIG_DFL for any signal but SIGKILL and SIGSTOP. Raises SyscallError."""
    result = syscall(NR_RT_SIGACTION, number, ctypes.byref(_DEFAULT), 0, _SIGNAL_SET_BYTES)
    check(result, "rt_sigaction", number, "SIG_DFL")
