"""Answers ENOSYS to system calls that are newer than a profile, put in front of its BPF program. Pure.

With the EPERM of a profile that has never heard of it, a C library would take a new system call for forbidden and fail,
where ENOSYS has it use the older one. Runtimes do the same.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

ENOSYS = 38
X86_64, X32_BIT = 0xC000003E, 0x40000000  # x32 is x86_64 with this bit set in its numbers
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06  # linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, ...
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data
_RETURN_ERRNO = 0x00050000


def answering_enosys(program: bytes, newest: Mapping[int, int]) -> bytes:
    """`program` behind a check: `newest` is the highest number in the profile for each AUDIT_ARCH_* token.

    A jump of BPF goes forward by what it says plus one, so that nothing in `program` changes.
    """
    stub = b""
    for architecture, highest in newest.items():
        stub += _instruction(_LOAD, _ARCHITECTURE_AT)
        checks = _checks(architecture, highest)
        stub += _instruction(_JUMP_EQUAL, architecture, no=len(checks) // 8) + checks
    return stub + program


def _checks(architecture: int, highest: int) -> bytes:
    """x32 calls have large numbers of their own; they are left to the program."""
    answer = _instruction(_RETURN, _RETURN_ERRNO | ENOSYS)
    if architecture == X86_64:
        above_x32 = _instruction(_JUMP_GREATER, X32_BIT - 1, yes=2)
        return _instruction(_LOAD, _NUMBER_AT) + above_x32 + _instruction(_JUMP_GREATER, highest, no=1) + answer
    return _instruction(_LOAD, _NUMBER_AT) + _instruction(_JUMP_GREATER, highest, no=1) + answer


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
