"""The resolv.conf of a pod by dnsPolicy and dnsConfig, within Kubernetes' limits. See resolv.conf(5).

Rules: pkg/kubelet/network/dns/dns.go. Without a cluster DNS, ClusterFirst is treated as Default; saying so (event
MissingClusterDNS) is the kubelet's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from podrun.errors import PodrunError

HOST_FILE = Path("/etc/resolv.conf")
RESOLVED_FILE = Path("/run/systemd/resolve/resolv.conf")  # the servers behind systemd-resolved's stub on 127.0.0.53

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

CLUSTER_OPTIONS = ("ndots:5",)

MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048
MAX_SEARCH_NAME = 253  # glibc 2.28 aborts over a longer one


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """The lines of a resolv.conf that matter. Options as written: `ndots:5` or `rotate`."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """The DNS of a cluster: its servers (none: there is no such DNS) and the domain that it answers for."""

    servers: tuple[str, ...] = ()
    domain: str = "cluster.local"


def cluster(servers: str, domain: str) -> Cluster:
    """From PODRUN_CLUSTER_DNS (addresses, separated by commas) and PODRUN_CLUSTER_DOMAIN. Raises PodrunError."""
    addresses = tuple(word.strip() for word in servers.split(",") if word.strip())
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise PodrunError(f'cannot use cluster DNS "{address}": not an address') from error
    if not _DOMAIN.fullmatch(domain.removesuffix(".")):
        raise PodrunError(f'cannot use cluster domain "{domain}": not a domain name', hint="for example cluster.local")
    return Cluster(addresses, domain.removesuffix("."))


def parse(text: str) -> ResolvConf:
    """What a resolv.conf says. Of several search lines the last counts, as in the C library; `domain` is left out."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search", *names]:
                searches = [name if name == "." else name.removesuffix(".") for name in names]
            case ["options", *words]:
                options += words
            case _:
                pass
    return ResolvConf(tuple(nameservers), tuple(searches), tuple(options))


def render(conf: ResolvConf) -> str:
    lines = [f"search {' '.join(conf.searches)}"] if conf.searches else []
    lines += [f"nameserver {address}" for address in conf.nameservers]
    lines += [f"options {' '.join(conf.options)}"] if conf.options else []
    return "".join(line + "\n" for line in lines)


def host_conf(host_file: Path = HOST_FILE, resolved_file: Path = RESOLVED_FILE) -> ResolvConf:
    """What a pod can use of the host's resolv.conf: a stub on the host's loopback is out of its reach.

    With systemd-resolved the servers behind the stub are taken. A missing file is an empty one. Raises OSError.
    """
    conf = parse(_read(host_file))
    if conf.nameservers and all(map(_is_loopback, conf.nameservers)):
        behind = parse(_read(resolved_file))
        if behind.nameservers:
            return behind
    return conf


def wants_cluster(dns_policy: str, *, host_network: bool) -> bool:
    """Whether the policy asks for the DNS of the cluster: on the host's network only by its own name."""
    return dns_policy == "ClusterFirstWithHostNet" or (dns_policy == "ClusterFirst" and not host_network)


def start_conf(
    dns_policy: str, host: ResolvConf, cluster: Cluster, namespace: str, *, host_network: bool
) -> ResolvConf:
    """What the policy alone gives."""
    if dns_policy == "None":
        return ResolvConf()
    if not (cluster.servers and wants_cluster(dns_policy, host_network=host_network)):
        return host
    domain = cluster.domain
    searches = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
    return ResolvConf(cluster.servers, _without_duplicates((*searches, *host.searches)), CLUSTER_OPTIONS)


def with_config(start: ResolvConf, dns_config: ResolvConf) -> ResolvConf:
    """The pod's own dnsConfig added; `limited` comes after it."""
    return ResolvConf(
        nameservers=_without_duplicates((*start.nameservers, *dns_config.nameservers)),
        searches=_without_duplicates((*start.searches, *dns_config.searches)),
        options=_merged_options(start.options, dns_config.options),
    )


def limited(conf: ResolvConf) -> tuple[ResolvConf, tuple[str, ...]]:
    """`conf` within Kubernetes' limits, and for each that cut something a message for the event DNSConfigForming."""
    messages = []
    nameservers = conf.nameservers[:MAX_NAMESERVERS]
    if nameservers != conf.nameservers:
        messages.append(
            "Nameserver limits were exceeded, some nameservers have been omitted,"
            f" the applied nameserver line is: {' '.join(nameservers)}"
        )
    searches = tuple(name for name in conf.searches[:MAX_SEARCHES] if len(name) <= MAX_SEARCH_NAME)
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches = searches[:-1]
    if searches != conf.searches:
        messages.append(
            "Search Line limits were exceeded, some search paths have been omitted,"
            f" the applied search line is: {' '.join(searches)}"
        )
    return replace(conf, nameservers=nameservers, searches=searches), tuple(messages)


def _merged_options(host: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """One option per name; the value given for the pod wins and keeps the host's place."""
    merged = {option.partition(":")[0]: option for option in host}
    merged.update({option.partition(":")[0]: option for option in given})
    return tuple(merged.values())


def _without_duplicates(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
