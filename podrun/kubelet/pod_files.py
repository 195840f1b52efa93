"""The files that podrun manages for a pod: /etc/hosts, /etc/hostname, /etc/resolv.conf, the termination log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from podrun.api import objects
from podrun.kubelet import pod_names
from podrun.kubelet.places import PodPlace
from podrun.network import hosts, resolv
from podrun.network.hosts import Names
from podrun.network.resolv import Cluster

MESSAGE_BYTES = 4096  # of one termination message; more is cut, the end is kept
POD_MESSAGE_BYTES = 12288  # of all of them together, an equal share for each container; the beginning is kept
HOST_HOSTS = Path("/etc/hosts")
# A container may hold a lease on a file that it sees: opening that waits for it, up to 45 seconds, unless with
# O_NONBLOCK: fcntl(2), proc(5) (fs.lease-break-time).
_SHARED = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def write_etc(
    pod: objects.Pod, place: PodPlace, addresses: Sequence[str], names: Names, cluster: Cluster
) -> pod_names.Warnings:
    """All three, before any container starts. What there is to say of the pod's DNS. Raises OSError."""
    place.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
    conf, warnings = pod_names.dns(pod, resolv.host_conf(), cluster)
    _write(place.etc / "resolv.conf", resolv.render(conf), place.first_id)
    _write(place.etc / "hostname", names.kernel + "\n", place.first_id)
    write_hosts(pod, place, addresses, names)
    return warnings


def write_hosts(pod: objects.Pod, place: PodPlace, addresses: Sequence[str], names: Names) -> None:
    """Before each start of a container, as a container may have changed it. Raises OSError."""
    aliases = [hosts.HostAlias(alias.ip, alias.hostnames) for alias in pod.spec.host_aliases]
    if pod.spec.host_network:
        text = hosts.host_network_hosts(HOST_HOSTS.read_text(errors="replace"), aliases)
    else:
        text = hosts.pod_hosts(addresses, names.short, names.qualified, aliases)
    if not _holds(place.etc / "hosts", text):
        _write(place.etc / "hosts", text, place.first_id)


def keep_environment(path: Path, env: Sequence[str]) -> None:
    """`NAME=value` each, readable by root alone: there may be secrets among them. Raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write("\0".join(env).encode())


def kept_environment(path: Path) -> dict[str, str] | None:
    """None where none was kept. Raises OSError."""
    try:
        entries = path.read_bytes().decode().split("\0")
    except FileNotFoundError:
        return None
    return dict(entry.partition("=")[::2] for entry in entries if entry)


def make_termination_log(path: Path, owner: int = 0) -> None:
    """An empty file that any user of the container may write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | _SHARED, 0o666)
    try:
        os.fchmod(descriptor, 0o666)
        if owner:
            os.fchown(descriptor, owner, owner)
    finally:
        os.close(descriptor)


def termination_message(
    place: PodPlace, pod: objects.PodSpec, spec: objects.Container, attempt: int, *, failed: bool
) -> str:
    """What the run left as its last words, by terminationMessagePolicy. Never fails; at most 4096 bytes.

    Rules: pkg/kubelet/kuberuntime (getTerminationMessage), pkg/kubelet/status (normalizeStatus).
    """
    text = _tail(place.termination_log(spec.name, attempt), MESSAGE_BYTES)
    if not text and failed and spec.termination_message_policy == "FallbackToLogsOnError":
        text = _log_tail(place.log_file(spec.name, attempt))
    share = POD_MESSAGE_BYTES // len((*pod.init_containers, *pod.containers))
    return text.encode()[:share].decode(errors="ignore")


def _log_tail(path: Path, most_bytes: int = 2048, most_lines: int = 80) -> str:
    """The end of a log in CRI format, without times and tags."""
    lines = _tail(path, most_bytes + 80 * 60).splitlines()
    texts = [
        line.split(" ", 3)[3] + ("\n" if line.split(" ", 3)[2] == "F" else "") for line in lines if line.count(" ") >= 3
    ]
    return "".join(texts[-most_lines:]).encode()[-most_bytes:].decode(errors="replace")


def _tail(path: Path, most: int) -> str:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | _SHARED)
        try:
            size = os.fstat(descriptor).st_size
            return os.pread(descriptor, most, max(0, size - most)).decode(errors="replace")
        finally:
            os.close(descriptor)
    return ""


def _holds(path: Path, text: str) -> bool:
    """Where it does, nobody shall see the file empty for a moment."""
    expected = text.encode()
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | _SHARED)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(len(expected) + 1) == expected
    return False


def _write(path: Path, text: str, owner: int) -> None:
    """In place, so that a bind mount of the file shows the new text."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | _SHARED, 0o644)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o644)
        if owner:
            os.fchown(file.fileno(), owner, owner)
        file.write(text)
