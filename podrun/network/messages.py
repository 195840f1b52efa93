"""The rtnetlink requests podrun makes, in words and as pyroute2 messages. Pure: nothing here talks to the kernel.

Layouts and numbers: rtnetlink(7), linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import socket
from typing import Any

from podrun.network import bare_pyroute2, netlink
from podrun.network.addresses import Address, Interface

bare_pyroute2.prepare()
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, ndmsg, rtmsg  # noqa: E402

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_NEWNEIGH = 28
NTF_MASTER = 0x4  # the entry is the bridge's, not the port's own
NUD_NOARP, NUD_REACHABLE = 0x40, 0x2
IFF_UP = 1
RT_TABLE_MAIN = 254
RT_SCOPE_UNIVERSE = 0
RTPROT_BOOT, RTPROT_RA = 3, 9
RTNH_F_ONLINK = 4
IFA_F_NODAD = 2
RTN_UNICAST = 1

CREATE_NEW = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
CREATE_OR_REPLACE = netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE


def get_link(*, name: str = "", index: int = 0) -> netlink.Request:
    return netlink.Request(f"look at link {name or index}", RTM_GETLINK, _link(name, index))


def list_links() -> netlink.Request:
    return netlink.Request("list links", RTM_GETLINK, _link())


def delete_link(name: str) -> netlink.Request:
    return netlink.Request(f"delete link {name}", RTM_DELLINK, _link(name))


def link_up(name: str = "", index: int = 0) -> netlink.Request:
    return netlink.Request(f"bring up {name or index}", RTM_NEWLINK, _up(_link(name, index)))


def set_mac(index: int, mac: str) -> netlink.Request:
    body = _link(index=index)
    body["attrs"].append(("IFLA_ADDRESS", mac))
    return netlink.Request(f"set MAC of {index}", RTM_NEWLINK, body)


def create_bridge(name: str, mac: str, mtu: int) -> netlink.Request:
    """Without a fixed MAC a bridge takes the lowest of its ports', and pods would see their gateway change."""
    body = _link(name)
    body["attrs"] += [("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu), _nest("IFLA_LINKINFO", ("IFLA_INFO_KIND", "bridge"))]
    return netlink.Request(f"create bridge {name}", RTM_NEWLINK, body, CREATE_NEW)


def bridge_up(name: str, alias: str, mtu: int) -> netlink.Request:
    body = _up(_link(name))
    body["attrs"] += [("IFLA_IFALIAS", alias), ("IFLA_MTU", mtu)]
    return netlink.Request(f"set up bridge {name}", RTM_NEWLINK, body)


def set_alias(name: str, alias: str) -> netlink.Request:
    body = _link(name)
    body["attrs"].append(("IFLA_IFALIAS", alias))
    return netlink.Request(f"set alias of {name}", RTM_NEWLINK, body)


def create_veth(
    name: str, peer_name: str, peer_mac: str, peer_netns_fd: int, bridge_index: int, mtu: int
) -> netlink.Request:
    """A pair whose peer is born inside the other namespace, so it is never seen in this one."""
    peer = [("IFLA_IFNAME", peer_name), ("IFLA_NET_NS_FD", peer_netns_fd), ("IFLA_MTU", mtu)]
    peer.append(("IFLA_ADDRESS", peer_mac))
    body = _link(name)
    body["attrs"] += [
        ("IFLA_MTU", mtu),
        ("IFLA_MASTER", bridge_index),
        _nest("IFLA_LINKINFO", ("IFLA_INFO_KIND", "veth"), _nest("IFLA_INFO_DATA", _nest("VETH_INFO_PEER", *peer))),
    ]
    return netlink.Request(f"create veth {name} with peer {peer_name}", RTM_NEWLINK, body, CREATE_NEW)


def plug_in(name: str, bridge_index: int) -> netlink.Request:
    body = _link(name)
    body["attrs"].append(("IFLA_MASTER", bridge_index))
    return netlink.Request(f"plug in {name}", RTM_NEWLINK, body)


def port_up(name: str, alias: str) -> netlink.Request:
    """The second half of a port, once it is plugged in: the kernel ignores an alias while it creates a link.

    Hairpin mode (IFLA_BRPORT_MODE) lets a pod reach itself by a translated address. What a pod sends teaches the bridge
    nothing, and what is for a MAC that nobody has does not come out here: which MAC is where, `expect_mac` says.
    """
    body = _up(_link(name))
    settings = (("IFLA_BRPORT_MODE", 1), ("IFLA_BRPORT_LEARNING", 0), ("IFLA_BRPORT_UNICAST_FLOOD", 0))
    port = _nest("IFLA_INFO_SLAVE_DATA", *settings)
    body["attrs"] += [
        ("IFLA_IFALIAS", alias),
        _nest("IFLA_LINKINFO", ("IFLA_INFO_SLAVE_KIND", "bridge"), port),
    ]
    return netlink.Request(f"set up port {name}", RTM_NEWLINK, body)


def expect_mac(port_index: int, mac: str) -> netlink.Request:
    """A static entry in the table of the port's bridge: frames for this MAC go there and nowhere else. bridge(8)"""
    body = ndmsg.ndmsg()
    body["family"], body["ifindex"] = socket.AF_BRIDGE, port_index
    body["state"], body["flags"] = NUD_NOARP | NUD_REACHABLE, NTF_MASTER
    body["attrs"] = [("NDA_LLADDR", mac)]
    return netlink.Request(f"expect {mac} behind {port_index}", RTM_NEWNEIGH, body, CREATE_OR_REPLACE)


def list_addresses(index: int = 0) -> netlink.Request:
    """All addresses, or with an index those of one link."""
    body = ifaddrmsg.ifaddrmsg()
    body["index"] = index
    return netlink.Request("list addresses", RTM_GETADDR, body)


def add_address(index: int, address: Interface) -> netlink.Request:
    """An address that is there already stays as it is."""
    return netlink.Request(f"add address {address}", RTM_NEWADDR, _address(index, address), CREATE_OR_REPLACE)


def delete_address(index: int, address: Interface) -> netlink.Request:
    return netlink.Request(f"delete address {address}", RTM_DELADDR, _address(index, address))


def list_routes(family: int = socket.AF_INET) -> netlink.Request:
    body = rtmsg.rtmsg()
    body["family"] = family
    return netlink.Request("list routes", RTM_GETROUTE, body)


def add_default_route(index: int, gateway: Address) -> netlink.Request:
    body = rtmsg.rtmsg()
    body["family"] = family_of(gateway)
    body["table"], body["proto"], body["type"] = RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST
    body["scope"] = RT_SCOPE_UNIVERSE
    if gateway.version == 6:
        body["flags"] = RTNH_F_ONLINK  # the route to the gateway itself may come a moment after the link is up
    body["attrs"] = [("RTA_GATEWAY", str(gateway)), ("RTA_OIF", index)]
    return netlink.Request(f"add default route via {gateway}", RTM_NEWROUTE, body, CREATE_OR_REPLACE)


def family_of(address: Address | Interface) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _link(name: str = "", index: int = 0) -> Any:
    body = ifinfmsg.ifinfmsg()
    body["index"] = index
    body["attrs"] = [("IFLA_IFNAME", name)] if name else []
    return body


def _up(body: Any) -> Any:
    body["flags"] = body["change"] = IFF_UP
    return body


def _address(index: int, address: Interface) -> Any:
    body = ifaddrmsg.ifaddrmsg()
    body["family"], body["index"], body["prefixlen"] = family_of(address), index, address.network.prefixlen
    body["attrs"] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.version == 4:
        body["attrs"].append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    else:
        body["flags"] = IFA_F_NODAD  # nobody else can have it, and a second without it would be long
    return body


def _nest(name: str, *attributes: tuple[str, Any]) -> tuple[str, Any]:
    return name, {"attrs": list(attributes)}
