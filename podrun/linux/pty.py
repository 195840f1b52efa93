"""Pseudoterminals of a devpts that was opened by descriptor, pty(7) and ioctl_tty(2). Nothing is opened by name."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import termios

DEVPTS_SUPER_MAGIC = 0x1CD1  # linux/magic.h

# asm-generic/ioctls.h; the termios module has none of them
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_PTMX = os.makedev(5, 2)
_UNIX98_SLAVES = range(136, 144)  # major numbers, Documentation/admin-guide/devices.txt


def is_master(descriptor: int) -> bool:
    """Whether it is /dev/ptmx, or what opening it gave."""
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _PTMX


def is_slave(descriptor: int) -> bool:
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _UNIX98_SLAVES


def open_peer(master: int) -> int:
    """The other end, unlocked: by the descriptor, so that nothing which lies at its name is opened (Linux 4.13)."""
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    return fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def set_size(descriptor: int, rows: int, columns: int) -> None:
    """Of either end; the foreground process group gets SIGWINCH when it changes."""
    termios.tcsetwinsize(descriptor, (rows, columns))
