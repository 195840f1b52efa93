"""Keeps a pod from sending as anybody else, whatever capabilities it has in its own network.

A frame passes its port of the bridge only with the pod's MAC and one of its addresses, as ARP and neighbour discovery
say them too; what is neither IPv4, ARP nor (where pods have it) IPv6 is dropped, and so are router advertisements. One
table in nftables' bridge family, one look into a set per frame. A pod's elements come and go by netlink, without a
process.
That frames for a pod go to its port alone is the bridge's own doing: see links.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from podrun.network import addresses, links, nft
from podrun.network.addresses import Address
from podrun.network.nfnetlink import NLM_F_CREATE, Nfnetlink, attribute, nest

NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
NEW_ELEMENT, DELETE_ELEMENT = NFTABLES << 8 | 12, NFTABLES << 8 | 14  # NFT_MSG_*SETELEM
BRIDGE_FAMILY = 7  # NFPROTO_BRIDGE
LIST_TABLE, LIST_SET, LIST_ELEMENTS = 1, 2, 3  # NFTA_SET_ELEM_LIST_*
LIST_ITEM, ELEMENT_KEY, KEY_VALUE = 1, 1, 1  # NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE
LINK_NAME_SIZE = 16  # IFNAMSIZ

_TABLE = """\
add {name}
delete {name}
{name} {{
{sets}  chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
    iifname != "{ports}*" accept
    ether type ip iifname . ether saddr . ip saddr @v4 accept
    ether type arp iifname . ether saddr . arp saddr ip @v4 iifname . arp saddr ether . arp saddr ip @v4 accept
{v6}    drop
  }}
}}
"""
# 133, 134, 137: router solicitation and advertisement, redirect; 136: neighbour advertisement, whose target follows
# eight bytes of header.
_V6 = """\
    ether type ip6 iifname . ether saddr . ip6 saddr != @v6 drop
    ether type ip6 icmpv6 type { 133, 134, 137 } drop
    ether type ip6 icmpv6 type 136 iifname . @th,64,128 != @targets drop
    ether type ip6 accept
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """A port of the bridge and what may come from it."""

    port: str
    mac: str
    addresses: tuple[Address, ...]


def of_pod(bridge: str, pod_uid: str, pod_addresses: Collection[Address]) -> Sender:
    """With IPv6, the link-local address that the kernel makes of the MAC as well."""
    mac = addresses.mac(next(iter(pod_addresses)))
    own = [addresses.link_local(mac)] if any(each.version == 6 for each in pod_addresses) else []
    return Sender(links.host_end(bridge, pod_uid), mac, (*pod_addresses, *own))


def table_name(bridge: str) -> str:
    return f"podrun-{bridge}"


def ensure(bridge: str, senders: Iterable[Sender], *, ipv6: bool) -> None:
    """The whole table anew, with these senders. Starts `nft` once. Raises PodrunError."""
    nft.run_text(f"cannot bind pods to their addresses on bridge {bridge}", table(bridge, senders, ipv6=ipv6))


def table(bridge: str, senders: Iterable[Sender], *, ipv6: bool) -> str:
    """What makes our table, in the words of nft(8). Pure."""
    elements: dict[str, list[str]] = {"v4": [], "v6": [], "targets": []}
    for sender in senders:
        for address in sender.addresses:
            elements[f"v{address.version}"].append(f'"{sender.port}" . {sender.mac} . {address}')
            if address.version == 6:
                elements["targets"].append(f'"{sender.port}" . {int(address):#034x}')
    types = {"v4": "iifname . ether saddr . ip saddr"}
    if ipv6:
        types |= {"v6": "iifname . ether saddr . ip6 saddr", "targets": "iifname . @th,64,128"}
    sets = "".join(f"  set {name} {{ typeof {type}; {_list(elements[name])}}}\n" for name, type in types.items())
    name = f"table bridge {table_name(bridge)}"
    return _TABLE.format(name=name, sets=sets, ports=links.port_prefix(bridge), v6=_V6 if ipv6 else "")


def add(nfnetlink: Nfnetlink, bridge: str, sender: Sender) -> None:
    """Let it send; what is there already stays. Raises OSError (ENOENT: the table is gone)."""
    requests = [(NEW_ELEMENT, NLM_F_CREATE, body) for body in _bodies(bridge, sender)]
    nfnetlink.batch(NFTABLES, BRIDGE_FAMILY, requests)


def remove(nfnetlink: Nfnetlink, bridge: str, sender: Sender) -> None:
    """Where nothing is, that is fine. Raises OSError."""
    for body in _bodies(bridge, sender):
        with contextlib.suppress(FileNotFoundError):
            nfnetlink.batch(NFTABLES, BRIDGE_FAMILY, [(DELETE_ELEMENT, 0, body)])


def _list(elements: Collection[str]) -> str:
    return f"elements = {{ {', '.join(elements)} }} " if elements else ""


def _bodies(bridge: str, sender: Sender) -> Iterator[bytes]:
    """One for each element of a set."""
    port = sender.port.encode().ljust(LINK_NAME_SIZE, b"\0")
    mac = bytes.fromhex(sender.mac.replace(":", "")) + bytes(2)  # fields are padded to four bytes
    for address in sender.addresses:
        yield _body(bridge, f"v{address.version}", port + mac + address.packed)
        if isinstance(address, IPv6Address):
            yield _body(bridge, "targets", port + address.packed)


def _body(bridge: str, set_name: str, key: bytes) -> bytes:
    element = nest(LIST_ITEM, nest(ELEMENT_KEY, attribute(KEY_VALUE, key)))
    return (
        attribute(LIST_TABLE, table_name(bridge).encode() + b"\0")
        + attribute(LIST_SET, set_name.encode() + b"\0")
        + nest(LIST_ELEMENTS, element)
    )
