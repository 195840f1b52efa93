"""The socket over which a newborn process hands the master of its terminal to the shim."""

from __future__ import annotations

import os
import socket

from podrun.container import program
from podrun.linux import pty


class Console:
    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def stdio(self, rows: int, columns: int) -> program.Stdio:
        """For the child, which closes its copy."""
        return program.Stdio(console=self._theirs.fileno(), rows=rows, columns=columns)

    def close_inner(self) -> None:
        self._theirs.close()

    def close(self) -> None:
        self._ours.close()

    def receive(self) -> int:
        """The master, from a child that has announced itself: it was sent before that. Ends this. Raises OSError."""
        try:
            flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1, flags)
        finally:
            self.close()
        if not descriptors:
            raise OSError(0, "the process sent no terminal")
        if not pty.is_master(descriptors[0]):
            os.close(descriptors[0])
            raise OSError(0, "what the process sent is no terminal")
        return descriptors[0]
