"""Which address a pod gets. Pure: the addresses in use come from the pods' records, so nothing is kept here."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence

from podrun.errors import PodrunError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


LARGEST_PREFIX = {4: 30, 6: 126}


def pod_networks(setting: str) -> tuple[Network, ...]:
    """The networks in PODRUN_POD_CIDR: an IPv4 one, and with a comma an IPv6 one, in that order. Raises PodrunError."""
    networks = tuple(_pod_network(word.strip(), setting) for word in setting.split(","))
    if [network.version for network in networks] not in ([4], [4, 6]):
        hint = "for example 10.244.0.0/24,fd00:10:244::/64"
        raise PodrunError(
            f'cannot use pod CIDR "{setting}": must be an IPv4 network, then at most an IPv6 one',
            hint=hint,
        )
    return networks


def _pod_network(word: str, setting: str) -> Network:
    try:
        network = ipaddress.ip_network(word)
    except ValueError as error:
        raise PodrunError(f'cannot use pod CIDR "{setting}": {error}', hint="for example 10.244.0.0/24") from error
    most = LARGEST_PREFIX[network.version]
    if network.prefixlen > most:
        raise PodrunError(f'cannot use pod CIDR "{setting}": no room for pods', hint=f"use a prefix of {most} or less")
    return network


def gateway(network: Network) -> Interface:
    """The address of the bridge, with the prefix: the first of the network."""
    return ipaddress.ip_interface(f"{network[1]}/{network.prefixlen}")


def interface(address: str, networks: Sequence[Network]) -> Interface:
    """An address as it was given out of one of the networks, with its prefix; alone where it is of none."""
    ip = ipaddress.ip_address(address)
    length = next((network.prefixlen for network in networks if ip in network), ip.max_prefixlen)
    return ipaddress.ip_interface(f"{ip}/{length}")


def mac(address: Address) -> str:
    """The locally administered MAC of whoever has this address: it follows, so that nobody has to remember it."""
    return ":".join(f"{byte:02x}" for byte in b"\x0a\x58" + address.packed[-4:])


def link_local(mac_address: str) -> ipaddress.IPv6Address:
    """What the kernel makes of a MAC, RFC 4291 appendix A."""
    octets = bytes.fromhex(mac_address.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def allocate(network: Network, in_use: Collection[Address], after: Address | None = None) -> Interface:
    """A free address for a pod, with the network's prefix.

    Goes round from the one handed out last (`after`), so that an address rests as long as it can before another pod
    gets it: neighbours and connection tracking still remember the previous owner. Raises PodrunError when none is free.
    """
    for address in _round(network, after):
        if address not in in_use:
            return ipaddress.ip_interface(f"{address}/{network.prefixlen}")
    raise PodrunError(
        f"cannot give the pod an address: all of {network} are in use",
        hint="delete pods or choose a larger PODRUN_POD_CIDR",
    )


def _round(network: Network, after: Address | None) -> Iterator[Address]:
    first = 2  # 0 is the network, 1 the gateway
    last = network.num_addresses - (2 if network.version == 4 else 1)  # IPv4 ends with the broadcast address
    start = first
    if after is not None and after in network:
        start = max(first, int(after) - int(network.network_address) + 1)
    for offset in range(start, last + 1):
        yield network[offset]
    for offset in range(first, min(start, last + 1)):
        yield network[offset]
