"""The few instructions that pause becomes once all is prepared, as an executable file that is in memory only.

A forked interpreter would keep some megabytes for itself for as long as the pod lives; this keeps a page or two. Where
there is no such program, or the machine refuses to run it, the interpreter stays: see `hold`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

_MFD_EXEC = 0x10  # memfd_create(2), since Linux 6.3
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_ADDRESS = 0x400000

# prctl(PR_SET_NAME, "pause"), then sleep for ever: pause(2) or ppoll(2).
_X86_64 = bytes.fromhex(
    "b89d000000"  # mov eax, 157
    "bf0f000000"  # mov edi, 15
    "488d350b000000"  # lea rsi, [name]
    "0f05"  # syscall
    "b822000000"  # again: mov eax, 34
    "0f05"  # syscall
    "ebf7"  # jmp again
)
_AARCH64 = struct.pack(
    "<11I",
    0xD28014E8,  # mov x8, 167
    0xD28001E0,  # mov x0, 15
    0x10000121,  # adr x1, name
    0xD4000001,  # svc 0
    0xD2800000,  # again: mov x0, 0
    0xD2800001,  # mov x1, 0
    0xD2800002,  # mov x2, 0
    0xD2800003,  # mov x3, 0
    0xD2800928,  # mov x8, 73
    0xD4000001,  # svc 0
    0x17FFFFFA,  # b again
)
_PROGRAMS = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}
_NAME = b"pause\0"


def image(architecture: str) -> bytes:
    """An ELF file, elf(5), of one segment that is mapped as it is; empty where the instructions are not known."""
    if architecture not in _PROGRAMS:
        return b""
    machine, code = _PROGRAMS[architecture]
    code += _NAME
    headers = 64 + 2 * 56
    length = headers + len(code)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    start = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _ADDRESS + headers, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, length, length, 0x10000)
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK: not executable
    return ident + start + load + stack + code


def prepare() -> int:
    """A descriptor of the file, which nobody can write, or read without privileges; -1 where there is none.

    Made by root: who runs it without being able to read it is not dumpable, see ptrace(2).
    """
    content = image(os.uname().machine)
    for flags in (_MFD_EXEC, 0) if content else ():
        with contextlib.suppress(OSError):
            descriptor = os.memfd_create("pause", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
            os.write(descriptor, content)
            os.fchmod(descriptor, 0o111)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            return descriptor
    return -1
