"""What a pod is made of, as the kernel has it now: processes, namespaces, groups, mounts, links. Only looks.

Everything that comes out of a pod is a stranger's: numbers are bounded, names are passed on as they are, and the whole
look is on a thread of its own, since a hostile program can make the read of its command line last for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from cgroups.errors import CgroupError
from cgroups.group import Group
from podrun.errors import PodrunError
from podrun.kubelet import own_thread
from podrun.linux import mountinfo
from podrun.linux.procfs import Process
from podrun.network import links, netlink

LONGEST_LOOK = 10.0  # seconds
MOST_LOOKS = 8  # at a time, those included that never end
MOST_SORTED = 5000  # processes of one container that are looked at to find the oldest
MOST_PROCESSES = 60  # of one container that are told of
MOST_MOUNTS = 200
MOST_ADDRESSES = 8
MOST_WORDS = 1024  # bytes of a command line
MOST_MOUNTINFO = 1 << 18  # bytes

Result = TypeVar("Result")


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """A process. `inner_pid` is its number inside of the container, `apart` the namespaces that are not the first's."""

    pid: int
    inner_pid: int
    parent: int
    uid: int
    state: str
    name: str
    argv: tuple[str, ...]
    memory: int
    threads: int
    apart: tuple[str, ...] = ()


class Mounted(msgspec.Struct, frozen=True, rename="camel"):
    path: str
    fstype: str
    readonly: bool
    layers: int = 0  # read-only ones of an overlay


class Bounded(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A group: what it uses, what it may use. Bytes, microseconds, thousandths of a processor; absent: unlimited."""

    path: str
    cpu_used: int = 0
    cpu_most: int | None = None
    cpu_weight: int | None = None
    memory: int | None = None
    memory_most: int | None = None
    pids: int | None = None
    pids_most: int | None = None
    oom_kills: int = 0


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """Pause, or a running container. Namespaces and mounts are those of its first process."""

    group: Bounded
    namespaces: dict[str, int] = {}
    mounts: tuple[Mounted, ...] = ()
    more_mounts: int = 0
    processes: tuple[Running, ...] = ()
    more_processes: int = 0


class Wired(msgspec.Struct, frozen=True, rename="camel"):
    """The pod's link, and the host's end of it."""

    name: str
    addresses: tuple[str, ...]
    mtu: int
    host_end: str = ""
    bridge: str = ""
    gateways: tuple[str, ...] = ()


class Anatomy(msgspec.Struct, frozen=True, rename="camel"):
    """`machine` are the machine's own namespaces. `pause` None: there is no sandbox now."""

    machine: dict[str, int]
    group: Bounded | None = None
    shim: int = 0
    pause: Member | None = None
    containers: dict[str, Member] = {}
    link: Wired | None = None


@dataclass(frozen=True, slots=True)
class Sites:
    """Where the parts are: groups of the pod, pause, the shim, and of containers by name. `bridge`: the instance's."""

    pod: Group
    pause: Group
    shim: Group
    containers: Mapping[str, Group] = field(default_factory=dict)
    bridge: str = ""


async def look(sites: Sites) -> Anatomy:
    """PodrunError: it takes too long."""
    return await on_own_thread(lambda: anatomy(sites), LONGEST_LOOK)


def anatomy(sites: Sites) -> Anatomy:
    """Blocks."""
    with Process(os.getpid()) as own:
        host = own.namespaces()
    if not sites.pod.exists():
        return Anatomy(host)
    pause = _member(sites.pause)
    containers = {name: found for name, group in sites.containers.items() if (found := _member(group)) is not None}
    return Anatomy(
        machine=host,
        group=_bounded(sites.pod),
        shim=next(iter(sites.shim.pids()), 0),
        pause=pause,
        containers=containers,
        link=_wired(pause, host, sites.bridge) if pause is not None else None,
    )


# Processes.


def _member(group: Group) -> Member | None:
    """None: nothing runs there."""
    pids = group.pids(tree=True)
    oldest = _oldest(pids[:MOST_SORTED])
    for position, pid in enumerate(oldest):
        with contextlib.suppress(OSError, ValueError, KeyError), Process(pid) as first:
            if not _is_in(first, group):
                continue
            namespaces, depth = first.namespaces(), len(first.status().pids) - 1
            mounts, more_mounts = _mounts(first)
            shown = oldest[position : position + MOST_PROCESSES]
            processes = tuple(filter(None, (_running(one, group, depth, namespaces) for one in shown)))
            hidden = len(oldest) - position - len(shown) + max(0, len(pids) - MOST_SORTED)
            return Member(_bounded(group), namespaces, mounts, more_mounts, processes, hidden)
    return None


def _oldest(pids: Iterable[int]) -> list[int]:
    """The first is a container's main program: nothing else is in the group before it."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError), Process(pid) as process:
            found.append((process.started(), pid))
    return [pid for _, pid in sorted(found)]


def _is_in(process: Process, group: Group) -> bool:
    """Whether it is in the group or below: its number may have gone to another since the group was read."""
    root = group.hierarchies.unified.root.rstrip("/")
    path = process.v2_group()
    return path == root + group.path or path.startswith(f"{root}{group.path}/")


def _running(pid: int, group: Group, depth: int, first: Mapping[str, int]) -> Running | None:
    """`depth` of the container's PID namespace below our own. None: it has ended."""
    with contextlib.suppress(OSError, ValueError, KeyError), Process(pid) as process:
        if not _is_in(process, group):
            return None
        status = process.status()
        argv = () if status.state == "Z" else process.argv(MOST_WORDS)
        return Running(
            pid=pid,
            inner_pid=status.pids[min(depth, len(status.pids) - 1)],
            parent=status.parent,
            uid=status.uid,
            state=status.state,
            name=status.name,
            argv=argv,
            memory=status.memory,
            threads=status.threads,
            apart=tuple(kind for kind, number in _namespaces(process).items() if number != first.get(kind)),
        )
    return None


def _namespaces(process: Process) -> dict[str, int]:
    """None of a zombie, which has left them."""
    try:
        return process.namespaces()
    except OSError:
        return {}


def _mounts(process: Process) -> tuple[tuple[Mounted, ...], int]:
    """Topmost ones only: what another mount on the same point hides can't be reached."""
    whole, _, _ = process.read("mountinfo", MOST_MOUNTINFO).rpartition(b"\n")
    topmost = {row.mount_point: row for row in mountinfo.parse(whole.decode(errors="replace"))}
    shown = [
        Mounted(row.mount_point, row.fstype, row.readonly, _layers(row)) for row in list(topmost.values())[:MOST_MOUNTS]
    ]
    return tuple(shown), len(topmost) - len(shown)


def _layers(row: mountinfo.Row) -> int:
    """An overlay's read-only directories: one option with colons between them, or since Linux 6.5 one each."""
    if row.fstype != "overlay":
        return 0
    options = row.options.split(",")
    each = sum(option.startswith("lowerdir+=") for option in options)
    joined = next((option for option in options if option.startswith("lowerdir=")), "")
    return each or (joined.count(":") + 1 if joined else 0)


# Groups.


def _bounded(group: Group) -> Bounded:
    bounds = group.bounds()
    bounded = Bounded(
        group.path,
        cpu_most=bounds.cpu_milli,
        cpu_weight=bounds.cpu_weight,
        memory_most=bounds.memory_max,
        pids_most=bounds.pids_max,
    )
    try:
        used = group.stats()
        kills = group.oom_kills()
    except CgroupError:  # gone, or without controllers, as pause's
        return bounded
    return replace(bounded, cpu_used=used.cpu_usage_us, memory=used.memory_working_set, pids=used.pids, oom_kills=kills)


# The network.


def _wired(pause: Member, machine: Mapping[str, int], bridge: str) -> Wired | None:
    """None: there is no such link, as in the machine's own network."""
    if not pause.processes or pause.namespaces["net"] == machine["net"]:
        return None
    with contextlib.suppress(OSError, PodrunError, ValueError), Process(pause.processes[0].pid) as process:
        descriptor = process.open_namespace("net")
        try:
            return _link(netlink.inside(descriptor, netlink.Rtnetlink), bridge)
        finally:
            os.close(descriptor)
    return None


def _link(pod: netlink.Rtnetlink, bridge: str) -> Wired | None:
    with pod:
        found = links.find(pod, links.POD_LINK)
        if found is None:
            return None
        held = [str(address) for _, address in links.addresses_of(pod, found["index"])]
    peer = found.get_attr("IFLA_LINK")
    with netlink.Rtnetlink() as host:
        gateways = _addresses(host, bridge)
    return Wired(
        links.POD_LINK,
        tuple(held[:MOST_ADDRESSES]),
        int(found.get_attr("IFLA_MTU") or 0),
        host_end=socket.if_indextoname(peer) if peer else "",
        bridge=bridge if gateways else "",
        gateways=gateways,
    )


def _addresses(rtnetlink: netlink.Rtnetlink, name: str) -> tuple[str, ...]:
    found = links.find(rtnetlink, name)
    if found is None:
        return ()
    return tuple(str(address.ip) for _, address in links.addresses_of(rtnetlink, found["index"]))


# The thread.

_looks = threading.Semaphore(MOST_LOOKS)


async def on_own_thread(function: Callable[[], Result], limit: float) -> Result:
    """Nobody waits for the thread, not even the end of the process. PodrunError: it is not done within `limit`."""
    if not _looks.acquire(blocking=False):
        raise PodrunError("cannot look into the pod: too many others do", hint="a program in a pod may hold them up")

    def look() -> Result:
        try:
            return function()
        finally:
            _looks.release()

    try:
        async with asyncio.timeout(limit):
            return await own_thread.run(look)
    except TimeoutError:
        raise PodrunError(f"cannot look into the pod: a program in it held this up for {limit:g} seconds") from None
