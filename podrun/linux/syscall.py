"""How the wrappers in this folder call the kernel: a signature declared once, errno turned into words in one place."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from enum import Flag
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)

# Numbers shared by all architectures since Linux 5.1 (include/uapi/asm-generic/unistd.h).
NR_PIDFD_SEND_SIGNAL = 424
NR_OPEN_TREE = 428
NR_MOVE_MOUNT = 429
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432
NR_PIDFD_OPEN = 434
NR_CLONE3 = 435
NR_CLOSE_RANGE = 436
NR_OPENAT2 = 437
NR_MOUNT_SETATTR = 442


class SyscallError(OSError):
    """A system call failed. `errno` is the kernel's; the text names the call and its arguments, as strace would."""

    def __init__(self, error: int, call: str) -> None:
        super().__init__(error, os.strerror(error))
        self.call = call

    def __str__(self) -> str:
        return f"{self.call}: {self.strerror}"


def declare(name: str, *argument_types: Any) -> Callable[..., int]:
    """The libc function `name` with its argument types, returning int and keeping errno."""
    function = getattr(_libc, name)
    function.argtypes = argument_types
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


def declare_syscall(number: int, *argument_types: Any) -> Callable[..., int]:
    """A system call that libc has no symbol for, with its argument types. On failure -1, and errno."""
    function = _libc["syscall"]  # one of its own for each, unlike an attribute
    function.argtypes = (ctypes.c_long, *argument_types)
    function.restype = ctypes.c_long
    return functools.partial(function, number)


def check(result: int, name: str, *arguments: object) -> int:
    """`result` if it is not negative, else SyscallError that shows the call."""
    if result < 0:
        error = ctypes.get_errno()
        raise SyscallError(error, f"{name}({', '.join(map(_shown, arguments))})")
    return result


def _shown(argument: object) -> str:
    if isinstance(argument, Flag):
        return argument.name or "0"
    return repr(argument) if isinstance(argument, str) else str(argument)
