"""libseccomp, as far as making a BPF program goes: seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3).

The library is loaded at the first use, by the kubelet alone. Nothing is loaded into the kernel here: see seccomp.py.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from typing import Any, NamedTuple

ALLOW, KILL_PROCESS, KILL_THREAD, TRAP, LOG = 0x7FFF0000, 0x80000000, 0x00000000, 0x00030000, 0x7FFC0000
_ERRNO, _TRACE = 0x00050000, 0x7FF00000
OPERATORS = ("", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")  # enum scmp_compare
_CTL_OPTIMIZE, _BINARY_TREE = 8, 2
_X86 = 0x40000003
# What 32-bit x86 once had through socketcall(2) and ipc(2) alone, and libseccomp gives no number for.
_SOCKETS_ON_X86 = ("socket", "socketpair", "bind", "connect", "listen", "accept4", "getsockopt", "setsockopt",
                   "getsockname", "getpeername", "sendto", "sendmsg", "recvfrom", "recvmsg", "shutdown")  # fmt: skip
_IPC_ON_X86 = ("semget", "semctl", "shmget", "shmctl", "shmat", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl")
_DIRECT_ON_X86 = {
    "recvmmsg": 337,
    "sendmmsg": 345,
    **{name: number for number, name in enumerate(_SOCKETS_ON_X86, 359)},
    **{name: number for number, name in enumerate(_IPC_ON_X86, 393)},
}


class LibraryMissing(OSError):
    """This machine has no libseccomp."""


class Condition(NamedTuple):
    """One comparison of an argument; `first` is the mask of MASKED_EQ, `second` its value."""

    argument: int
    operator: int  # index in OPERATORS
    first: int
    second: int


class Rule(NamedTuple):
    """All `conditions` must hold."""

    syscall: str
    action: int
    conditions: tuple[Condition, ...] = ()


class _Comparison(ctypes.Structure):
    _fields_ = (("argument", c_uint), ("operator", c_int), ("first", c_uint64), ("second", c_uint64))


def errno_action(number: int) -> int:
    return _ERRNO | (number & 0xFFFF)


def trace_action(number: int) -> int:
    return _TRACE | (number & 0xFFFF)


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError as error:
        raise LibraryMissing(0, "libseccomp.so.2 is not installed") from error
    library.seccomp_init.restype = c_void_p
    for name, *arguments in (
        ("seccomp_init", c_uint32),
        ("seccomp_release", c_void_p),
        ("seccomp_attr_set", c_void_p, c_int, c_uint32),
        ("seccomp_arch_resolve_name", c_char_p),
        ("seccomp_arch_add", c_void_p, c_uint32),
        ("seccomp_syscall_resolve_name_arch", c_uint32, c_char_p),
        ("seccomp_syscall_resolve_name", c_char_p),
        ("seccomp_rule_add_array", c_void_p, c_uint32, c_int, c_uint, ctypes.POINTER(_Comparison)),
        ("seccomp_export_bpf", c_void_p, c_int),
    ):
        getattr(library, name).argtypes = arguments
    library.seccomp_arch_resolve_name.restype = c_uint32
    library.seccomp_arch_native.restype = c_uint32
    library.seccomp_release.restype = None
    return library


def architecture(name: str) -> int:
    """The AUDIT_ARCH_* token of an architecture as libseccomp calls it ("x86_64", "aarch64"); 0 for an unknown one."""
    return int(_library().seccomp_arch_resolve_name(name.encode()))


def native_architecture() -> int:
    return int(_library().seccomp_arch_native())


def number(syscall: str, architecture: int) -> int:
    """The number of a system call; negative where that architecture, or this libseccomp, does not have it."""
    if architecture == _X86 and syscall in _DIRECT_ON_X86:
        return _DIRECT_ON_X86[syscall]
    return int(_library().seccomp_syscall_resolve_name_arch(architecture, syscall.encode()))


def compile(default: int, rules: Sequence[Rule], architectures: Sequence[int]) -> bytes:
    """The program, as seccomp(2) takes it. Rules for unknown system calls are left out, as runtimes do.

    Raises LibraryMissing, and OSError for rules that contradict each other.
    """
    library = _library()
    context = library.seccomp_init(default)
    if not context:
        raise OSError(0, f"seccomp_init does not know the action {default:#x}")
    try:
        library.seccomp_attr_set(context, _CTL_OPTIMIZE, _BINARY_TREE)  # an older library goes without
        for each in architectures:
            if each != native_architecture():
                _check(library.seccomp_arch_add(context, each), "seccomp_arch_add", each)
        for rule in rules:
            _add(library, context, rule)
        return _exported(library, context)
    finally:
        library.seccomp_release(context)


def _add(library: Any, context: int, rule: Rule) -> None:
    syscall = library.seccomp_syscall_resolve_name(rule.syscall.encode())
    if syscall == -1:
        return
    comparisons = (_Comparison * len(rule.conditions))(*(_Comparison(*c) for c in rule.conditions))
    result = library.seccomp_rule_add_array(context, rule.action, syscall, len(rule.conditions), comparisons)
    _check(result, "seccomp_rule_add", rule.syscall)


def _exported(library: Any, context: int) -> bytes:
    file = os.memfd_create("seccomp")
    try:
        _check(library.seccomp_export_bpf(context, file), "seccomp_export_bpf")
        return os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)


def _check(result: int, name: str, *arguments: object) -> None:
    if result < 0:
        raise OSError(-result, f"{name}({', '.join(map(str, arguments))}): {os.strerror(-result)}")
