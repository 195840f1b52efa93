"""What a container gets when nobody says otherwise, as containerd does it. Pure; used by who makes plans."""

from __future__ import annotations

from podrun.container.plan import Cgroupfs, Dev, Mask, Mount, Mqueue, PodShm, Proc, ReadOnly, Sysfs
from podrun.linux import capabilities

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEFAULT_CAPABILITIES = capabilities.mask(
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
)  # 00000000a80425fb

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def standard_mounts(*, privileged: bool = False) -> tuple[Mount, ...]:
    """The system's own file systems, parents before children. A privileged container may write to /sys and cgroups, and
    has all devices."""
    return (
        Proc(),
        Dev(machine=privileged),
        PodShm(),
        Mqueue(),
        Sysfs(readonly=not privileged),
        Cgroupfs(readonly=not privileged),
    )


def walls() -> tuple[Mount, ...]:
    """What covers and freezes parts of /proc and /sys; after all other mounts. A privileged container has none."""
    return (*(Mask(path) for path in MASKED_PATHS), *(ReadOnly(path) for path in READONLY_PATHS))
