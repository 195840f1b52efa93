"""The managed /etc/hosts and the hostname of a pod, word for word as the kubelet makes them. Pure.

Source: kubernetes pkg/kubelet/kubelet_pods.go. Writing and mounting the files is not done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podrun.errors import PodrunError

HOSTNAME_LIMIT = 63  # a DNS label
KERNEL_HOSTNAME_LIMIT = 64  # __NEW_UTS_LEN, uname(2)

_HEADER = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"


@dataclass(frozen=True, slots=True)
class HostAlias:
    """One entry of spec.hostAliases."""

    ip: str
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What a pod is called: `short`, `qualified` with its subdomain (else empty), and `kernel`, which uname shows."""

    short: str
    qualified: str
    kernel: str


def overridden(name: str) -> Names:
    """With spec.hostnameOverride: it is all there is (KEP-4762)."""
    short = hostname(name)
    return Names(short, "", short)


def pod_names(short: str, qualified: str, *, set_hostname_as_fqdn: bool) -> Names:
    """Raises PodrunError: the kernel can't take the long name."""
    return Names(short, qualified, kernel_hostname(short, qualified, set_hostname_as_fqdn=set_hostname_as_fqdn))


def hostname(pod_name: str, spec_hostname: str | None = None) -> str:
    """spec.hostname, else the pod's name cut to 63 characters, without the `-` and `.` a cut may leave at its end."""
    return (spec_hostname or pod_name)[:HOSTNAME_LIMIT].rstrip("-.")


def fully_qualified(name: str, subdomain: str, namespace: str, cluster_domain: str) -> str:
    """The name that a pod with a subdomain has in DNS; empty without one."""
    return f"{name}.{subdomain}.{namespace}.svc.{cluster_domain}" if subdomain else ""


def kernel_hostname(name: str, qualified: str, *, set_hostname_as_fqdn: bool) -> str:
    """What uname shows in the pod: the short name, or with setHostnameAsFQDN the long one. Raises PodrunError."""
    if not (set_hostname_as_fqdn and qualified):
        return name
    if len(qualified) > KERNEL_HOSTNAME_LIMIT:
        raise PodrunError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {qualified} is too long"
            f" ({KERNEL_HOSTNAME_LIMIT} characters is the max, {len(qualified)} characters requested)"
        )
    return qualified


def pod_hosts(addresses: Sequence[str], name: str, qualified: str = "", aliases: Sequence[HostAlias] = ()) -> str:
    """/etc/hosts of a pod with its own network. `addresses` are the pod's as text; `qualified` with a subdomain."""
    names = f"{qualified}\t{name}" if qualified else name
    return _HEADER + "".join(f"{address}\t{names}\n" for address in addresses) + _aliases(aliases)


def host_network_hosts(host_file: str, aliases: Sequence[HostAlias] = ()) -> str:
    """/etc/hosts of a pod in the host's network: the host's own file under a header of ours."""
    return _HOST_NETWORK_HEADER + host_file + _aliases(aliases)


def _aliases(aliases: Sequence[HostAlias]) -> str:
    if not aliases:
        return ""
    lines = "".join("\t".join((alias.ip, *alias.hostnames)) + "\n" for alias in aliases)
    return "\n# Entries added by HostAliases.\n" + lines
