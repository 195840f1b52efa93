"""Tells that somebody else changed the kernel's nftables, by the kernel's own notices: nothing is asked meanwhile.

What iptables does through nftables counts too; its legacy tables send no notices.
"""

from __future__ import annotations

import socket
import struct

from podrun.network.nfnetlink import NETLINK_NETFILTER, SOL_NETLINK, found, messages_of

ADD_MEMBERSHIP = 1  # NETLINK_ADD_MEMBERSHIP
GROUP = 7  # NFNLGRP_NFTABLES
NEW_GENERATION = 10 << 8 | 15  # NFT_MSG_NEWGEN, once for each transaction
THREAD = 2  # NFTA_GEN_PROC_PID: the kernel's "pid", which is the number of a thread
FAMILY_SIZE = 4  # struct nfgenmsg


class RulesetWatch:
    """`fileno` becomes readable when something changed. `own`: the thread whose changes are not those of others."""

    def __init__(self, own: int) -> None:
        self._own = own
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def changed_by_others(self) -> bool:
        """Whether anybody but the own thread did, of all that waits to be read. What was lost counts as a yes."""
        others = False
        while True:
            try:
                packet = self._socket.recv(1 << 20)
            except BlockingIOError:
                return others
            except OSError:  # ENOBUFS
                others = True
                continue
            for kind, _sequence, payload in messages_of(packet):
                if kind == NEW_GENERATION:
                    thread = found(payload[FAMILY_SIZE:], THREAD)
                    others = others or thread is None or struct.unpack(">I", thread)[0] != self._own
