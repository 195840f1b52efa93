"""setfsuid(2) and setfsgid(2): who owns what the caller makes from here on."""

from __future__ import annotations

from ctypes import c_int

from podrun.linux import capabilities
from podrun.linux.syscall import declare

_setfsuid = declare("setfsuid", c_int)
_setfsgid = declare("setfsgid", c_int)


def make_files_as(id: int) -> None:
    """User and group of new files; capabilities stay, also those over files that the kernel takes away with it."""
    permitted = capabilities.permitted()
    _setfsgid(id)
    _setfsuid(id)
    capabilities.capset(permitted, permitted)
