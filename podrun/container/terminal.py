"""A terminal for a program in a container: a pty of the container's own devpts, its master handed to the shim.

The container may have put anything at /dev/pts and below (CVE-2025-52565): what is opened there is looked at by
descriptor, and the slave is asked of the master, never opened by name.
"""

from __future__ import annotations

import errno
import os
import socket

from podrun.container.newborn import StepError
from podrun.container.program import ProgramBirth, Stdio
from podrun.linux import mount, pty, statfs
from podrun.linux.openat2 import Resolve, openat2

_PLACE = os.O_PATH | os.O_CLOEXEC


def make_terminal(birth: ProgramBirth) -> None:
    """Where one is wanted, it becomes the three standard streams. Inside the container's root."""
    console = birth.stdio.console
    if console < 0:
        return
    root = os.open("/", _PLACE | os.O_DIRECTORY)
    master = _open_master(root)
    slave = pty.open_peer(master)
    if not pty.is_slave(slave) or statfs.file_system_type(slave) != pty.DEVPTS_SUPER_MAGIC:
        raise StepError(0, "cannot make a terminal: the other end of /dev/pts/ptmx is none")
    if birth.stdio.rows and birth.stdio.columns:
        pty.set_size(slave, birth.stdio.rows, birth.stdio.columns)
    with socket.socket(fileno=console) as shim:
        socket.send_fds(shim, [b"\0"], [master])
    for descriptor in (master, root):
        os.close(descriptor)
    birth.stdio = Stdio(slave, slave, slave, tty=True)


def show_console(birth: ProgramBirth) -> None:
    """A new container's terminal is its /dev/console, too."""
    if not birth.stdio.tty:
        return
    root = os.open("/", _PLACE | os.O_DIRECTORY)
    fixed = Resolve.IN_ROOT | Resolve.NO_SYMLINKS
    try:
        place = openat2(root, "/dev/console", _PLACE, resolve=fixed)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        os.close(openat2(root, "/dev/console", os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600, resolve=fixed))
        place = openat2(root, "/dev/console", _PLACE, resolve=fixed)
    tree = mount.open_tree(birth.stdio.stdin, "")
    mount.move_mount(tree, place)
    for descriptor in (tree, place, root):
        os.close(descriptor)


def _open_master(root: int) -> int:
    try:
        points = openat2(root, "/dev/pts", _PLACE | os.O_DIRECTORY, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
        if statfs.file_system_type(points) != pty.DEVPTS_SUPER_MAGIC:
            raise StepError(0, "cannot make a terminal: /dev/pts of the container is no devpts")
        fixed = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_XDEV
        place = openat2(points, "ptmx", _PLACE, resolve=fixed)
        if not pty.is_master(place):
            raise StepError(0, "cannot make a terminal: /dev/pts/ptmx of the container is not what it is called")
        os.close(place)
        # On a devpts nothing can be made or renamed, and no mount is crossed: it is the same once more.
        master = openat2(points, "ptmx", os.O_RDWR | os.O_NOCTTY, resolve=fixed)
    except StepError:
        raise
    except OSError as error:
        raise StepError(error.errno or 0, f"cannot make a terminal in the container: {error}") from error
    os.close(points)
    return master
