"""seccomp(2): loading a BPF program that somebody else compiled."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_ulong, c_void_p

from podrun.linux.syscall import check, declare

_SET_SECCOMP, _MODE_FILTER = 22, 2
_INSTRUCTION = 8  # bytes of a struct sock_filter


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


_prctl = declare("prctl", c_int, c_ulong, c_void_p, c_ulong, c_ulong)


def load(program: bytes) -> None:
    """Filter the caller's system calls from here on, over exec. Needs no_new_privs or CAP_SYS_ADMIN.

    `program` is an array of struct sock_filter, as libseccomp's seccomp_export_bpf writes it; else ValueError.
    """
    count, rest = divmod(len(program), _INSTRUCTION)
    if rest or not 0 < count <= 4096:
        raise ValueError(f"a seccomp program of {len(program)} bytes is no BPF program")
    filter = _Program(count, program)
    check(_prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(filter), 0, 0), "prctl", "PR_SET_SECCOMP", "FILTER")
