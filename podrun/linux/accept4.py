"""accept4(2) for sockets of the UNIX domain: socket.accept makes enum members of family and type each time."""

from __future__ import annotations

import socket
from ctypes import c_int, c_void_p

from podrun.linux.syscall import check, declare

_accept4 = declare("accept4", c_int, c_void_p, c_void_p, c_int)
_FLAGS = int(socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)


def accept_stream(listener: socket.socket) -> socket.socket:
    """A connection: close-on-exec, non-blocking. Raises SyscallError; EAGAIN: there is none."""
    descriptor = check(_accept4(listener.fileno(), None, None, _FLAGS), "accept4")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
