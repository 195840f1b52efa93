"""One veth pair per pod: the host's end a port of the bridge, the pod's end made inside its network namespace as eth0.

A host end is named after (bridge, pod uid) and says so in its alias, so its owner follows from the link alone. The
pod's MAC follows from its address, and the bridge is told where it is: it learns nothing from pods. What they may send
is bounded in senders.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.network import addresses, messages, netlink
from podrun.network.addresses import Address, Interface

LOOPBACK_INDEX = 1
POD_LINK = "eth0"
HOST_END = re.compile(r"pr[0-9a-f]{13}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a pod gets on the network: addresses with their prefix, and one gateway per family. MTU in bytes."""

    pod_uid: str
    bridge: str
    addresses: tuple[Interface, ...]
    gateways: tuple[Address, ...]
    mtu: int

    @property
    def mac(self) -> str:
        return addresses.mac(self.addresses[0].ip)


def port_prefix(bridge: str) -> str:
    """What the names of all host ends of a bridge begin with."""
    return "pr" + hashlib.sha256(bridge.encode()).hexdigest()[:5]


def host_end(bridge: str, pod_uid: str) -> str:
    """The name of the host's end: the 15 characters that a link name may have."""
    return port_prefix(bridge) + hashlib.sha256(pod_uid.encode()).hexdigest()[:8]


def alias(bridge: str, pod_uid: str) -> str:
    return f"podrun:{bridge}:{pod_uid}"


def connect(host: netlink.Rtnetlink, netns_fd: int, attachment: Attachment) -> None:
    """Give the network namespace its eth0, addresses, default route and loopback. Repeating it changes nothing.

    A host end left by an earlier sandbox of the pod is replaced. The calling thread is in the namespace of `host`.
    Raises PodrunError.
    """
    try:
        bridge_index = socket.if_nametoindex(attachment.bridge)  # to decode the whole link takes ten times as long
        try:
            host.change(*_new_pair(attachment, netns_fd, bridge_index))
        except netlink.NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            _adopt_or_replace(host, netns_fd, attachment, bridge_index)
        port_index = socket.if_nametoindex(host_end(attachment.bridge, attachment.pod_uid))
        host.change(messages.expect_mac(port_index, attachment.mac))
        _configure_pod(netns_fd, attachment)
    except OSError as error:
        raise PodrunError(f"cannot connect the pod to bridge {attachment.bridge}: {error}") from error


def disconnect(host: netlink.Rtnetlink, bridge: str, pod_uid: str) -> bool:
    """Remove the pod's pair, both ends. False where there was none. Raises PodrunError."""
    try:
        return delete(host, host_end(bridge, pod_uid))
    except netlink.NetlinkError as error:
        raise PodrunError(f"cannot disconnect the pod from bridge {bridge}: {error}") from error


def sweep(host: netlink.Rtnetlink, bridge: str, keep: Collection[str]) -> tuple[str, ...]:
    """Remove the host ends of this instance that no pod uid in `keep` stands for; their names. Raises PodrunError."""
    kept = {host_end(bridge, uid) for uid in keep}
    try:
        strays = [name for name in _host_ends(host, bridge) if name not in kept]
        return tuple(name for name in strays if delete(host, name))
    except netlink.NetlinkError as error:
        raise PodrunError(f"cannot sweep bridge {bridge}: {error}") from error


def raise_loopback(netns_fd: int) -> None:
    """Bring up lo in a network namespace that gets nothing else. Raises PodrunError."""
    try:
        with netlink.inside(netns_fd, netlink.Rtnetlink) as pod:
            pod.change(messages.link_up(index=LOOPBACK_INDEX))
    except OSError as error:
        raise PodrunError(f"cannot bring up the pod's loopback: {error}") from error


def host_mtu(host: netlink.Rtnetlink) -> int:
    """The MTU in bytes of the link that the host's best default route leaves by; 1500 without such a route."""
    best: tuple[int, int] | None = None
    for route in host.dump(messages.list_routes()):
        index = route.get_attr("RTA_OIF")
        if route["dst_len"] == 0 and route["table"] == messages.RT_TABLE_MAIN and index is not None:
            candidate = (route.get_attr("RTA_PRIORITY") or 0, index)
            best = min(best or candidate, candidate)
    if best is None:
        return 1500
    return int(host.get(messages.get_link(index=best[1])).get_attr("IFLA_MTU"))


def find(rtnetlink: netlink.Rtnetlink, name: str) -> netlink.Message | None:
    """The link of this name, or None. Raises NetlinkError."""
    try:
        return rtnetlink.get(messages.get_link(name=name))
    except netlink.NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def delete(host: netlink.Rtnetlink, name: str) -> bool:
    """Remove a link. False where there was none. Raises NetlinkError."""
    try:
        host.change(messages.delete_link(name))
    except netlink.NetlinkError as error:
        if error.errno == errno.ENODEV:
            return False
        raise
    return True


def name_of(rtnetlink: netlink.Rtnetlink, index: int) -> str:
    """The name of the link with this index. Raises NetlinkError."""
    return str(rtnetlink.get(messages.get_link(index=index)).get_attr("IFLA_IFNAME"))


def addresses_of(rtnetlink: netlink.Rtnetlink, index: int = 0) -> list[tuple[int, Interface]]:
    """(link index, address) of every address, or of one link's; the kernel's own link-local IPv6 is left out."""
    found: list[tuple[int, Interface]] = []
    for message in rtnetlink.dump(messages.list_addresses(index)):
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        address = ipaddress.ip_interface(f"{text}/{message['prefixlen']}")
        if not (address.version == 6 and address.is_link_local):
            found.append((int(message["index"]), address))
    return found


def _new_pair(attachment: Attachment, netns_fd: int, bridge_index: int) -> tuple[netlink.Request, netlink.Request]:
    name = host_end(attachment.bridge, attachment.pod_uid)
    return (
        messages.create_veth(name, POD_LINK, attachment.mac, netns_fd, bridge_index, attachment.mtu),
        messages.port_up(name, alias(attachment.bridge, attachment.pod_uid)),
    )


def _adopt_or_replace(host: netlink.Rtnetlink, netns_fd: int, attachment: Attachment, bridge_index: int) -> None:
    """The host end exists: keep it if its other end is this namespace's eth0, else it leads to an earlier sandbox.

    Such a one may vanish at any moment, as the kernel takes a dead namespace apart in the background.
    """
    create, port_up = _new_pair(attachment, netns_fd, bridge_index)
    name = host_end(attachment.bridge, attachment.pod_uid)
    existing = find(host, name)
    with netlink.inside(netns_fd, netlink.Rtnetlink) as pod:
        eth0 = find(pod, POD_LINK)
        if existing is not None and eth0 is not None and eth0.get_attr("IFLA_LINK") == existing["index"]:
            stale = [held for _, held in addresses_of(pod, eth0["index"]) if held not in attachment.addresses]
            pod.change(
                messages.set_mac(eth0["index"], attachment.mac),
                *(messages.delete_address(eth0["index"], address) for address in stale),
            )
            host.change(messages.plug_in(name, bridge_index), port_up)
            return
    delete(host, name)
    host.change(create, port_up)


def _configure_pod(netns_fd: int, attachment: Attachment) -> None:
    def enter() -> tuple[int, netlink.Rtnetlink]:
        return socket.if_nametoindex(POD_LINK), netlink.Rtnetlink()

    index, pod = netlink.inside(netns_fd, enter)
    with pod:
        pod.change(
            messages.link_up(index=LOOPBACK_INDEX),
            *(messages.add_address(index, address) for address in attachment.addresses),
            messages.link_up(index=index),
            *(messages.add_default_route(index, gateway) for gateway in attachment.gateways),
        )


def _host_ends(host: netlink.Rtnetlink, bridge: str) -> list[str]:
    """The host ends of this instance: by alias, wherever they are plugged in, and by name on its bridge."""
    links = [(link.get_attr("IFLA_IFNAME"), link) for link in host.dump(messages.list_links())]
    indexes = {link["index"] for name, link in links if name == bridge}
    prefix = alias(bridge, "")
    return [
        name
        for name, link in links
        if HOST_END.fullmatch(name)
        and ((link.get_attr("IFLA_IFALIAS") or "").startswith(prefix) or link.get_attr("IFLA_MASTER") in indexes)
    ]
