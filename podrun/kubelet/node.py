"""This machine as a Kubernetes Node object."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Collection
from pathlib import Path

import psutil
from msgspec.structs import replace

import podrun
from podrun.api import objects, pod_resources, quantity, times, validate_node
from podrun.kubelet import eviction, huge_pages
from podrun.kubelet.eviction import Threshold

MOST_PODS = 110


def node_name() -> str:
    """The machine's host name in lower case, as the kubelet's default."""
    return socket.gethostname().strip().lower() or "localhost"


def host_addresses(*, ipv6: bool = False) -> tuple[str, ...]:
    """The addresses that the default routes leave by, IPv4 first; no packet is sent. 127.0.0.1 without a network.

    `ipv6`: where pods have it too, as a kubelet's dual stack.
    """
    first = _source_of(socket.AF_INET, "192.0.2.1") or "127.0.0.1"  # TEST-NET-1, RFC 5737
    second = _source_of(socket.AF_INET6, "2001:db8::1") if ipv6 else ""  # RFC 3849
    return (first, second) if second else (first,)


def _source_of(family: socket.AddressFamily, target: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def masked_paths() -> tuple[str, ...]:
    """The counters of each processor that tell what its neighbours do, GHSA-6fw5-f8r9-fgfm."""
    found = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")
    return tuple(sorted(str(path) for path in found))


def memory_bytes() -> int:
    return int(psutil.virtual_memory().total)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def node(
    name: str,
    addresses: tuple[str, ...],
    pod_cidrs: tuple[str, ...],
    root: Path,
    thresholds: Collection[Threshold],
    now: float,
) -> objects.Node:
    """The object as it is stored at each start of the kubelet. `thresholds`: of eviction."""
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": quantity.canonical(f"{memory_bytes() // 1024}Ki"),
        "ephemeral-storage": quantity.canonical(f"{psutil.disk_usage(str(root)).total // 1024}Ki"),
        "pods": str(MOST_PODS),
    }
    capacity |= {
        f"{pod_resources.HUGE}{quantity.from_bytes(size)}": quantity.from_bytes(size * count)
        for size, count in huge_pages.counts().items()
    }
    machine = platform.machine()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
    }
    return objects.Node(
        metadata=objects.ObjectMeta(name=name, labels=labels),
        spec=objects.NodeSpec(pod_cidr=pod_cidrs[0], pod_cidrs=pod_cidrs),
        status=objects.NodeStatus(
            capacity=capacity,
            allocatable=eviction.allocatable(capacity, thresholds),
            conditions=_conditions(now),
            addresses=(
                *(objects.NodeAddress(type="InternalIP", address=address) for address in addresses),
                objects.NodeAddress(type="Hostname", address=name),
            ),
            node_info=_node_info(architecture),
        ),
    )


def renewed(known: objects.Node, fresh: objects.Node) -> objects.Node:
    """The node at a later start of the kubelet: what was set on it stays, what the kubelet knows itself is as it is."""
    labels = known.metadata.labels | fresh.metadata.labels
    before = {each.type: each for each in known.status.conditions}
    conditions = tuple(_since(before.get(each.type), each) for each in fresh.status.conditions)
    renewed_status = replace(known, status=replace(fresh.status, conditions=conditions))
    return replace(
        known,
        metadata=replace(known.metadata, labels=labels),
        spec=replace(fresh.spec, taints=known.spec.taints, unschedulable=known.spec.unschedulable),
        status=validate_node.advertised(known, renewed_status).status,
    )


def _since(before: objects.NodeCondition | None, now: objects.NodeCondition) -> objects.NodeCondition:
    if before is None or before.status != now.status:
        return now
    return replace(now, last_transition_time=before.last_transition_time)


def _conditions(now: float) -> tuple[objects.NodeCondition, ...]:
    moment = times.rfc3339(now)
    healthy = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    )
    return tuple(
        objects.NodeCondition(
            type=type,
            status=status,
            last_heartbeat_time=moment,
            last_transition_time=moment,
            reason=reason,
            message=message,
        )
        for type, status, reason, message in healthy
    )


def _node_info(architecture: str) -> objects.NodeSystemInfo:
    return objects.NodeSystemInfo(
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=boot_id(),
        kernel_version=platform.release(),
        os_image=_os_image(),
        container_runtime_version=f"podrun://{podrun.__version__}",
        kubelet_version=f"v{podrun.__version__}",
        kube_proxy_version="",
        operating_system="linux",
        architecture=architecture,
    )


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
