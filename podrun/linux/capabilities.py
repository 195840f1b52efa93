"""capabilities(7): the sets of the calling thread as bit masks, and their names."""

from __future__ import annotations

import ctypes
import errno
from ctypes import c_int, c_ulong

from podrun.linux.syscall import check, declare

NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]
NUMBERS = {name: number for number, name in enumerate(NAMES)}

_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 24, 47, 4
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


_capset = declare("capset", ctypes.POINTER(_Header), ctypes.POINTER(_Sets))
_capget = declare("capget", ctypes.POINTER(_Header), ctypes.POINTER(_Sets))
_prctl = declare("prctl", c_int, c_ulong, c_ulong, c_ulong, c_ulong)


def mask(*names: str) -> int:
    """The bit mask of capabilities given by name, without CAP_. KeyError for an unknown one."""
    return sum(1 << NUMBERS[name] for name in set(names))


def capset(permitted: int, effective: int, inheritable: int = 0) -> None:
    """Set all three sets at once. EPERM: more than the caller has."""
    sets = (_Sets * 2)(
        *(_Sets((effective >> s) & 0xFFFFFFFF, (permitted >> s) & 0xFFFFFFFF, inheritable >> s) for s in (0, 32))
    )
    result = _capset(_Header(_VERSION_3, 0), sets)
    check(result, "capset", *(f"{set:#018x}" for set in (permitted, effective, inheritable)))


def permitted() -> int:
    """The caller's permitted set."""
    sets = (_Sets * 2)()
    check(_capget(_Header(_VERSION_3, 0), sets), "capget")
    return int(sets[0].permitted) | int(sets[1].permitted) << 32


def limit_bounding_set(kept: int) -> None:
    """Drop from the bounding set all that is not in `kept`, and clear the ambient set. Needs CAP_SETPCAP."""
    for number in range(64):
        if kept >> number & 1:
            continue
        if (result := _prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)) < 0:
            if ctypes.get_errno() == errno.EINVAL:
                break  # beyond the last capability that this kernel knows
            check(result, "prctl", "PR_CAPBSET_DROP", number)
    check(_prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl", "PR_CAP_AMBIENT", "CLEAR_ALL")
