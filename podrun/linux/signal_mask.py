"""sigprocmask(2) for all signals at once, without the enum members that the signal module makes of each one."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_void_p

from podrun.linux.syscall import check, declare

_SIG_SETMASK = 2
_sigprocmask = declare("sigprocmask", c_int, c_void_p, c_void_p)


class Mask(ctypes.Structure):
    """sigset_t of libc, which is larger than the kernel's."""

    _fields_ = (("bits", ctypes.c_uint64 * 16),)


_ALL, _NONE = Mask((ctypes.c_uint64 * 16)(*[(1 << 64) - 1] * 16)), Mask()


def block_all() -> Mask:
    """What was blocked before, for `restore`."""
    before = Mask()
    check(_sigprocmask(_SIG_SETMASK, ctypes.byref(_ALL), ctypes.byref(before)), "sigprocmask")
    return before


def restore(before: Mask) -> None:
    check(_sigprocmask(_SIG_SETMASK, ctypes.byref(before), None), "sigprocmask")


def block_none() -> None:
    restore(_NONE)
