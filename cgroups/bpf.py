"""bpf(2), as far as a group's devices need it: loading a program and attaching it. It knows no rules."""

from __future__ import annotations

import ctypes
import os

_NR_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}.get(os.uname().machine, -1)
_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _CGROUP_DEVICE = 15, 6
_ALLOW_MULTI = 2
_INSTRUCTION = 8  # bytes of a struct bpf_insn

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class _Load(ctypes.Structure):
    """The head of union bpf_attr for BPF_PROG_LOAD; what is left out counts as zero."""

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_char_p),
        ("license", ctypes.c_char_p),
    )


class _Attach(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("target_fd", "attach_bpf_fd", "attach_type", "attach_flags"))


def _bpf(command: int, attributes: _Load | _Attach) -> int:
    size = ctypes.sizeof(attributes)
    result = int(
        _syscall(ctypes.c_long(_NR_BPF), ctypes.c_long(command), ctypes.byref(attributes), ctypes.c_long(size))
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def load_device_program(instructions: bytes) -> int:
    """A close-on-exec descriptor of the program. OSError: EPERM without CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN."""
    count = len(instructions) // _INSTRUCTION
    return _bpf(_PROG_LOAD, _Load(_PROG_TYPE_CGROUP_DEVICE, count, instructions, b""))


def attach_device_program(group: int, program: int) -> None:
    """To the v2 group that `group` is a descriptor of. It stays until the group goes, and counts for all below.

    Programs of groups above, as systemd has them, stay in force, too: what one of them refuses is refused.
    """
    _bpf(_PROG_ATTACH, _Attach(group, program, _CGROUP_DEVICE, _ALLOW_MULTI))
