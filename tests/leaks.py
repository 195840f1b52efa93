"""What a run of the suite has left on the machine: processes, mounts, links, control groups, firewall rules, files.

Other people work on the machine meanwhile, so only what carries the mark of this run counts: see names.py. Where nobody
else does (the VM), `everything` before and after tells more.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

PLACES = ("/tmp", "/var/tmp", "/run", "/run/netns", "/var/lib", "/var/log", "/etc", "/dev/shm", "/dev/mqueue")


def left_over(mark: str, *, besides: Path | None = None) -> list[str]:
    """All that carries the mark, but for the directory `besides` itself, this process and its ancestors."""
    # Processes of other people keep copies of mounts that were there when their namespaces were made.
    things = [*mounts((os.getpid(), 1)), *links(), *cgroups(), *firewall()]
    things += (thing for thing in files() if thing != f"file {besides}")
    return [*sorted({thing for thing in things if mark in thing}), *marked_processes(mark)]


def everything() -> set[str]:
    """All mounts, links, control groups and firewall rules there are, and all processes in user space."""
    processes = (f"process {pid}: {command_line(pid)}" for pid in pids())
    return {*mounts(pids()), *links(), *cgroups(), *firewall(), *processes}


def mounts(of: Iterable[int]) -> Iterator[str]:
    """Of every mount namespace that one of these processes is in."""
    namespaces: dict[str, int] = {}
    for pid in of:
        namespaces.setdefault(link(pid, "ns/mnt"), pid)
    for namespace, pid in namespaces.items():
        for line in text(pid, "mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split()
            yield f"mount {fields[4]} (of {fields[3]}, {after}) in {namespace}"


def links() -> Iterator[str]:
    for directory in Path("/sys/class/net").glob("*"):  # a bare chroot has no /sys
        try:
            alias = (directory / "ifalias").read_text().strip()
        except OSError:
            alias = ""
        yield f"network link {directory.name} {alias}".strip()


def cgroups() -> Iterator[str]:
    """Of every hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mountpoint = line.split()[4]
        if line.partition(" - ")[2].startswith("cgroup"):
            for directory, _, _ in os.walk(mountpoint):
                yield f"control group {directory}"


def firewall() -> Iterator[str]:
    """Tables, chains, sets and rules of nftables, each line with the table it stands in."""
    try:
        ruleset = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return
    table = ""
    for line in ruleset.splitlines():
        if line.startswith("table "):
            table = line.removesuffix("{").strip()
        if line.strip(" \t{}"):
            yield f"firewall {table}: {line.strip()}"


def files() -> Iterator[str]:
    for place in PLACES:
        try:
            yield from (f"file {place}/{name}" for name in os.listdir(place))
        except OSError:
            continue


def marked_processes(mark: str) -> Iterator[str]:
    exempt = ancestors()
    for pid in pids():
        if pid not in exempt:
            trace = next((trace for trace in traces(pid) if mark in trace), None)
            if trace is not None:
                yield f"process {pid}: {command_line(pid)} ({trace})"


def traces(pid: int) -> Iterator[str]:
    """Where a process shows whose it is. A zombie shows its control group only."""
    yield "command line " + command_line(pid)
    yield from (f"control group {line}" for line in text(pid, "cgroup").splitlines())
    yield from (f"{name} {link(pid, name)}" for name in ("cwd", "root", "exe"))
    yield from (f"environment {word}" for word in text(pid, "environ").split("\0"))
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    yield from (f"descriptor {number} {link(pid, f'fd/{number}')}" for number in descriptors)


def pids() -> list[int]:
    """Processes in user space: the kernel's threads have no executable, zombies had one."""
    numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in numbers if not is_kernel_thread(pid)]


def is_kernel_thread(pid: int) -> bool:
    PF_KTHREAD = 0x00200000  # include/linux/sched.h
    fields = text(pid, "stat").rpartition(")")[2].split()
    return len(fields) > 6 and bool(int(fields[6]) & PF_KTHREAD)


def ancestors() -> set[int]:
    """This process, its parent and so on."""
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        fields = text(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0
    return found


def command_line(pid: int) -> str:
    return text(pid, "cmdline").replace("\0", " ").strip() or text(pid, "comm").strip()


def text(pid: int, name: str) -> str:
    """A file of /proc/PID, empty where the process has gone meanwhile or is not ours to read."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""
