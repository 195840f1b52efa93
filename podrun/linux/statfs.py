"""fstatfs(2), for the one thing that os.fstatvfs leaves out: what kind of file system it is."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int, c_long

from podrun.linux.syscall import check, declare

PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994
OVERLAYFS_SUPER_MAGIC = 0x794C7630


class _Statfs(ctypes.Structure):
    _fields_ = (("f_type", c_long), ("_rest", ctypes.c_char * 248))


_fstatfs = declare("fstatfs", c_int, POINTER(_Statfs))


def file_system_type(fd: int) -> int:
    """The magic number in linux/magic.h of the file system that `fd` (O_PATH will do) lies on."""
    result = _Statfs()
    check(_fstatfs(fd, ctypes.byref(result)), "fstatfs", fd)
    return int(result.f_type)
