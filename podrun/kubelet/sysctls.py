"""Which kernel parameters a pod may set, and their values for its sandbox. Pure.

Rules: pkg/kubelet/sysctl (allowlist.go, safe_sysctls.go), component-helpers/node/util/sysctl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from podrun.api import objects
from podrun.container.plan import ID_COUNT
from podrun.errors import PodrunError

SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)
# As containerd and Docker do it: any user of a pod may listen on port 80 and ping.
UNPRIVILEGED = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}

_LONGEST = 253
_PATTERN = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]")
_IPC, _NET = "IPC", "Net"


def allowed(unsafe: str) -> tuple[str, ...]:
    """The safe ones and `unsafe`: names and prefixes that end in `*`, separated by commas. PodrunError in a kubelet's
    words."""
    patterns = [pattern.strip() for pattern in unsafe.split(",") if pattern.strip()]
    for pattern in patterns:
        if len(pattern) > _LONGEST or not _PATTERN.fullmatch(pattern):
            detail = f"must have at most {_LONGEST} characters and match regex ^{_PATTERN.pattern}$"
            raise PodrunError(f'cannot allow unsafe sysctls: sysctl "{pattern}" {detail}')
        if not _namespace(dotted(pattern).removesuffix("*")):
            raise PodrunError(f'cannot allow unsafe sysctls: the sysctl "{pattern}" is not known to be namespaced')
    return (*SAFE, *map(dotted, patterns))


def refusal(spec: objects.PodSpec, patterns: Iterable[str]) -> str:
    """Why a pod may not run with its sysctls; empty where it may."""
    context = spec.security_context or objects.PodSecurityContext()
    for name in (dotted(sysctl.name) for sysctl in context.sysctls):
        pattern = next((p for p in patterns if name == p or (p.endswith("*") and name.startswith(p[:-1]))), None)
        if pattern is None:
            return f'forbidden sysctl: "{name}" not allowlisted'
        namespace = _namespace(pattern.removesuffix("*"))
        if (namespace == _IPC and spec.host_ipc) or (namespace == _NET and spec.host_network):
            return f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
    return ""


def values(spec: objects.PodSpec) -> dict[str, str]:
    """What pause sets, by dotted names."""
    context = spec.security_context or objects.PodSecurityContext()
    ordinary = {} if spec.host_network else UNPRIVILEGED
    if spec.host_users is False:
        ordinary = ordinary | {"net.ipv4.ping_group_range": f"0 {ID_COUNT - 1}"}  # there are no more groups
    return ordinary | {dotted(sysctl.name): sysctl.value for sysctl in context.sysctls}


def dotted(name: str) -> str:
    """`net/ipv4/conf/eth0.1/mtu` to `net.ipv4.conf.eth0/1.mtu`; a name that begins with a dot is left: sysctl(8)."""
    first = re.search(r"[./]", name)
    return name.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else name


def _namespace(name: str) -> str:
    if name == "kernel.sem" or name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")):
        return _IPC
    return _NET if name.startswith("net.") else ""
