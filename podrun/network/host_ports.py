"""Ports of the host that lead to pods: one nftables table per bridge, replaced as a whole in one transaction.

A connection costs one look into a map, however many ports there are. From the host itself 127.0.0.1 works as well; that
needs route_localnet on the bridge, so what pods send to 127.0.0.0/8 is dropped before anything else sees it
(CVE-2020-8558), and what comes from elsewhere for that network is never translated. [::1] does not lead to pods.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from podrun.errors import PodrunError
from podrun.network import nft
from podrun.network.addresses import Address, Network

PROTOCOLS = ("tcp", "udp", "sctp")
LOOPBACK = "127.0.0.0/8"
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}  # nft's words for headers and addresses


PortWish = tuple[str, str, int, int]
"""Protocol, hostIP, hostPort and containerPort as a manifest has them."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """`host_ip` None: every address of the host of the target's family."""

    protocol: str  # one of PROTOCOLS
    host_ip: Address | None
    host_port: int
    target: Address
    target_port: int


def of_pod(wishes: Collection[PortWish], addresses: Sequence[Address]) -> tuple[HostPort, ...]:
    """For each family that the pod and the wish have. Pure."""
    found = []
    for protocol, host_ip, host_port, target_port in wishes:
        asked = ipaddress.ip_address(host_ip) if host_ip else None
        for target in addresses:
            if asked is None or asked.version == target.version:
                chosen = None if asked is None or asked.is_unspecified else asked
                found.append(HostPort(protocol.lower(), chosen, host_port, target, target_port))
    return tuple(found)


def table_name(bridge: str) -> str:
    return f"podrun-{bridge}-ports"


def ensure(bridge: str, networks: Sequence[Network], ports: Collection[HostPort]) -> None:
    """Exactly these ports, whatever was there. Starts `nft` once. Raises PodrunError.

    127.0.0.0/8 is routed to pods only while the rules are there that keep pods from sending to it.
    """
    purpose = f"cannot set up host ports for bridge {bridge}"
    try:
        if not ports:
            _route_loopback(bridge, "0")
        nft.run_text(purpose, table(bridge, networks, ports))
        if ports:
            _route_loopback(bridge, "1")
    except OSError as error:
        raise PodrunError(f"{purpose}: {error}") from error


def _route_loopback(bridge: str, value: str) -> None:
    switch = Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet")
    if switch.exists():
        switch.write_text(value)


def table(bridge: str, networks: Sequence[Network], ports: Collection[HostPort]) -> str:
    """What makes our table, or takes it away where there are no ports, in the words of nft(8). Pure.

    Its JSON can't say what a map of this kind maps to (nft 1.0).
    """
    name = f"table inet {table_name(bridge)}"
    removal = f"add {name}\ndelete {name}\n"  # nothing says "delete if it is there"
    if not ports:
        return removal
    maps = "".join(map_text for version in FAMILIES for map_text in _maps(version, ports))
    senders = {version: [str(each) for each in networks if each.version == version] for version in FAMILIES}
    senders[4].append(LOOPBACK)
    returns = "".join(
        f'    oifname "{bridge}" ct status dnat {header} saddr {{ {", ".join(senders[version])} }} masquerade\n'
        for version, (header, _) in FAMILIES.items()
        if senders[version]
    )
    return removal + _TABLE.format(name=name, bridge=bridge, maps=maps, returns=returns, loopback=LOOPBACK)


# guard: what route_localnet would let in. Answers to the host's own 127.0.0.1 do not look so yet at this point.
# ports: what names an address of the host goes first.
# postrouting: answers must come back through the host; a pod would send them to another pod directly, or to its own
# loopback.
_TABLE = """\
{name} {{
{maps}
  chain guard {{
    type filter hook prerouting priority -300; policy accept;
    iifname "{bridge}" ip daddr {loopback} drop
    iifname "{bridge}" ip saddr {loopback} drop
  }}
  chain ports {{
    meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @at_v4
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any_v4
    meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @at_v6
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @any_v6
  }}
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    ip daddr {loopback} return
    ip6 daddr ::1 return
    meta l4proto {{ tcp, udp, sctp }} fib daddr type local jump ports
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    meta l4proto {{ tcp, udp, sctp }} fib daddr type local jump ports
  }}
  chain postrouting {{
    type nat hook postrouting priority 99; policy accept;
{returns}  }}
}}
"""


def _maps(version: int, ports: Collection[HostPort]) -> Iterator[str]:
    """`any_v4`: protocol and port → address and port; `at_v4` begins with an address of the host."""
    address = FAMILIES[version][1]
    for name, key, bound in ((f"any_v{version}", "", False), (f"at_v{version}", f"{address} . ", True)):
        targets = {
            _key(port): f"{port.target} . {port.target_port}"
            for port in ports
            if port.target.version == version and (port.host_ip is not None) == bound
        }
        elements = ", ".join(f"{key} : {target}" for key, target in targets.items())
        shown = f" elements = {{ {elements} }}" if elements else ""
        yield f"  map {name} {{ type {key}inet_proto . inet_service : {address} . inet_service;{shown} }}\n"


def _key(port: HostPort) -> str:
    where = "" if port.host_ip is None else f"{port.host_ip} . "
    return f"{where}{port.protocol} . {port.host_port}"
