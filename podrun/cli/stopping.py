"""Stops the kubelet that serves the socket: that process and no other, whatever number it has."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import struct
from _socket import SO_PEERCRED, SOL_SOCKET
from _socket import socket as Socket

from podrun.cli import systemd
from podrun.cli.client import connect
from podrun.errors import PodrunError
from podrun.paths import Paths

PATIENCE = 30.0
"""Seconds that a kubelet may take to end after SIGTERM."""

_SO_PEERPIDFD = 77  # Linux 6.5, asm-generic/socket.h
_UCRED = struct.Struct("3i")  # unix(7): pid, uid, gid


def stop(paths: Paths) -> bool:
    """False: none was running. PodrunError: not root, or it does not end."""
    if systemd.keeps_kubelet(paths) and systemd.is_active():
        systemd.stop()
        return True
    try:
        pidfd = _server(paths)
    except PermissionError as error:
        raise PodrunError("cannot stop the kubelet: must be run as root", hint="use sudo") from error
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(PATIENCE * 1000):
            raise PodrunError(f"cannot stop the kubelet: it has not ended within {PATIENCE:.0f} s of SIGTERM")
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise PodrunError("cannot stop the kubelet: must be run as root", hint="use sudo") from error
    finally:
        os.close(pidfd)
    return True


def _server(paths: Paths) -> int | None:
    """A pidfd of the process that listens on the socket."""
    try:
        with contextlib.closing(connect(str(paths.socket))) as connection:
            try:
                return connection.getsockopt(SOL_SOCKET, _SO_PEERPIDFD)
            except OSError as error:
                if error.errno not in (errno.ENOPROTOOPT, errno.EINVAL):
                    raise
            number = _peer(connection)
            pidfd = os.pidfd_open(number)
        # Still the same one after the pidfd was had: then the number was never another's in between.
        with contextlib.closing(connect(str(paths.socket))) as again:
            if _peer(again) == number:
                return pidfd
        os.close(pidfd)
        return None
    except (FileNotFoundError, ConnectionRefusedError, ProcessLookupError):
        return None


def _peer(connection: Socket) -> int:
    return int(_UCRED.unpack(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, _UCRED.size))[0])
