"""Ways into a running pod for clients of the API: a connection to one of its ports, files of a container.

Processes are found by control group, and held by a pidfd before anything is believed about them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from dataclasses import dataclass
from functools import partial

from cgroups.group import Group
from podrun.errors import PodrunError
from podrun.linux import namespaces, pidfd
from podrun.network import netlink

DIALING = 10.0  # seconds
LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
PIECE = 1 << 16
MOST_WORDS = 1 << 16  # bytes of the file worker's own messages


@dataclass(slots=True)
class Member:
    """A process of a group, held: its number stays its own while `pidfd` is open."""

    pid: int
    pidfd: int

    def close(self) -> None:
        os.close(self.pidfd)


def first_member(group: Group) -> Member:
    """The oldest process of the group itself, which is a container's main program or pause. PodrunError: none runs."""
    for _, pid in sorted((_started(pid), pid) for pid in group.pids()):
        try:
            held = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        # In the group still, so the number had not gone to another process before it was held.
        if pid in group.pids() and not pidfd.has_ended(held):
            return Member(pid, held)
        os.close(held)
    raise PodrunError("nothing runs there")


def _started(pid: int) -> int:
    """When, in clock ticks after boot (proc(5), stat, field 22)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


# Ports.


async def dial(pause: Group | None, port: int) -> socket.socket:
    """A connection to a port of the pod's own loopback device, non-blocking. `pause` None: the machine's network.

    PodrunError: nobody listens there.
    """
    loop = asyncio.get_running_loop()
    refusal: Exception | None = None
    for family, address in LOOPBACKS:
        try:
            made = await loop.run_in_executor(None, partial(_socket_in, pause, family))
        except OSError as error:
            refusal = refusal or error
            continue
        try:
            async with asyncio.timeout(DIALING):
                await loop.sock_connect(made, (address, port))
            return made
        except OSError as error:  # TimeoutError is one
            made.close()
            refusal = refusal or error
        except asyncio.CancelledError:
            made.close()
            raise
    number = getattr(refusal, "errno", None)
    why = os.strerror(number).lower() if number else "it does not answer"
    raise PodrunError(f"cannot connect to port {port} inside the pod: {why}")


def _socket_in(pause: Group | None, family: int) -> socket.socket:
    def make() -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    if pause is None:
        return make()
    member = first_member(pause)
    try:
        return netlink.inside(member.pidfd, make)
    finally:
        member.close()


# Files.


class FileWork:
    """A process in the container's mount namespace that packs or unpacks a tar archive: podrun/container/files.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def verdict(self) -> dict[str, object]:
        """Its next words about what it does. PodrunError: it can't."""
        assert self._process.stderr is not None
        line = await self._process.stderr.readline()
        try:
            said = json.loads(line)
        except ValueError:
            raise PodrunError("cannot copy: the container ended meanwhile") from None
        if "error" in said:
            raise PodrunError(str(said["error"]))
        return dict(said)

    async def read(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.read(PIECE)

    async def write(self, piece: bytes) -> None:
        """Nothing is said if it does not listen any more: its verdict tells why."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(piece)
            await self._process.stdin.drain()
        except ConnectionError:
            return

    def finish_writing(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def end(self) -> None:
        """However far it got."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()


async def start_file_work(group: Group, *words: str) -> FileWork:
    """`words` as podrun/container/files.py takes them. PodrunError: nothing runs in the group."""
    member = await asyncio.get_running_loop().run_in_executor(None, first_member, group)
    try:
        other_users = _differs(member.pid, "user")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "podrun.container.files"),
            *(str(member.pidfd), "user" if other_users else "", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(member.pidfd,),
            env={"LANG": "C.UTF-8"},
            cwd="/",
            limit=MOST_WORDS,
        )
    finally:
        member.close()
    return FileWork(process)


def _differs(pid: int, kind: str) -> bool:
    try:
        return namespaces.inode(pid, kind) != namespaces.inode(os.getpid(), kind)
    except OSError as error:
        raise PodrunError("cannot copy: the container ended meanwhile") from error
