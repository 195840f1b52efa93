"""The bridge that an instance's pods are plugged into, and forwarding while it exists, of IPv6 only where pods have it.

The bridge's alias says whose it is and which forwarding has to be switched off again: there is no state file, and a
reboot forgets both. Filtering and masquerade are in firewall.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from podrun.errors import PodrunError
from podrun.network import addresses, links, messages, netlink
from podrun.network.addresses import Interface, Network

FORWARDING = {4: Path("/proc/sys/net/ipv4/ip_forward"), 6: Path("/proc/sys/net/ipv6/conf/all/forwarding")}
OWNED = "podrun:"
RESTORE = {4: ":ip_forward-was-0", 6: ":ip6_forwarding-was-0"}
NOTHING: frozenset[int] = frozenset()


def alias(name: str, restored: Collection[int]) -> str:
    """`restored`: the IP versions whose forwarding this bridge switched on."""
    return f"{OWNED}{name}" + "".join(text for version, text in RESTORE.items() if version in restored)


def ensure(host: netlink.Rtnetlink, name: str, gateways: tuple[Interface, ...], mtu: int) -> None:
    """Make the bridge, or make what an earlier kubelet left into what is asked: up, with exactly these addresses.

    Raises PodrunError: a link of this name that is not podrun's, or a network that the host uses for something else.
    """
    try:
        link = links.find(host, name)
        _refuse_foreign(name, link)
        _refuse_overlap(host, 0 if link is None else link["index"], gateways)
        if link is None:
            # One system call for creating and naming the owner: a kill can't come between.
            host.change(
                messages.create_bridge(name, addresses.mac(gateways[0].ip), mtu), _bridge_up(name, NOTHING, mtu)
            )
        else:
            host.change(_bridge_up(name, _restored(link), mtu))
        _set_addresses(host, name, gateways)
        for gateway in gateways:
            _forward(host, name, gateway.version)
    except OSError as error:
        raise PodrunError(f"cannot set up bridge {name}: {error}") from error


def remove(host: netlink.Rtnetlink, name: str) -> bool:
    """Take the bridge away and switch forwarding off if it was this bridge that switched it on. False without a bridge.

    Raises PodrunError.
    """
    try:
        link = links.find(host, name)
        if link is None:
            return False
        _refuse_foreign(name, link)
        for version in _restored(link):
            _restore_forwarding(host, name, version)
        return links.delete(host, name)
    except OSError as error:
        raise PodrunError(f"cannot remove bridge {name}: {error}") from error


def exists(host: netlink.Rtnetlink, name: str) -> bool:
    """Whether this instance's bridge is there. Raises PodrunError."""
    try:
        link = links.find(host, name)
    except OSError as error:
        raise PodrunError(f"cannot look for bridge {name}: {error}") from error
    return link is not None and _is_owned(name, link)


def _bridge_up(name: str, restored: Collection[int], mtu: int) -> netlink.Request:
    return messages.bridge_up(name, alias(name, restored), mtu)


def _is_owned(name: str, link: netlink.Message) -> bool:
    text = link.get_attr("IFLA_IFALIAS") or ""
    return bool(text == alias(name, _restored(link)))


def _restored(link: netlink.Message) -> frozenset[int]:
    text = link.get_attr("IFLA_IFALIAS") or ""
    return frozenset(version for version, mark in RESTORE.items() if mark in text)


def _refuse_foreign(name: str, link: netlink.Message | None) -> None:
    if link is not None and not _is_owned(name, link):
        raise PodrunError(
            f"cannot use bridge {name}: a network link of this name exists and is not podrun's",
            hint="choose another name with PODRUN_BRIDGE",
        )


def _refuse_overlap(host: netlink.Rtnetlink, own_index: int, gateways: tuple[Interface, ...]) -> None:
    for used, index in _used_networks(host, {gateway.version for gateway in gateways}):
        for gateway in gateways:
            # Networks of different families never overlap, and overlaps() raises for them.
            if index != own_index and used.version == gateway.version and _overlap(used, gateway.network):
                held_by = links.name_of(host, index)
                raise PodrunError(
                    f"cannot use pod CIDR {gateway.network}: it overlaps {used}, which the host uses on {held_by}",
                    hint="choose another network with PODRUN_POD_CIDR",
                )


def _overlap(one: Network, other: Network) -> bool:
    return one[0] in other or other[0] in one


def _used_networks(host: netlink.Rtnetlink, versions: Collection[int]) -> Iterator[tuple[Network, int]]:
    """Networks that the host has addresses in or routes to, with the link's index. Default routes are not a use."""
    for index, address in links.addresses_of(host):
        yield address.network, index
    for version in versions:
        for route in host.dump(messages.list_routes(socket.AF_INET if version == 4 else socket.AF_INET6)):
            index = route.get_attr("RTA_OIF")
            if route["table"] == messages.RT_TABLE_MAIN and route["dst_len"] > 0 and index is not None:
                yield ipaddress.ip_network(f"{route.get_attr('RTA_DST')}/{route['dst_len']}"), index


def _set_addresses(host: netlink.Rtnetlink, name: str, gateways: tuple[Interface, ...]) -> None:
    index = host.get(messages.get_link(name=name))["index"]
    stale = [held for _, held in links.addresses_of(host, index) if held not in gateways]
    host.change(
        *(messages.delete_address(index, address) for address in stale),
        *(messages.add_address(index, address) for address in gateways),
    )


def _forward(host: netlink.Rtnetlink, name: str, version: int) -> None:
    if FORWARDING[version].read_text().strip() == "0":
        if version == 6:
            _keep_router_advertisements(host)
        restored = _restored(host.get(messages.get_link(name=name))) | {version}
        # Noted before it is done: a kill between loses nothing.
        host.change(messages.set_alias(name, alias(name, restored)))
        _write(FORWARDING[version], "1")


def _keep_router_advertisements(host: netlink.Rtnetlink) -> None:
    """A machine that forwards forgets the default route that its router announced, unless told so by accept_ra 2.

    That stays: where nothing is forwarded it means the same as 1. See ip-sysctl in the kernel's documentation.
    """
    for route in host.dump(messages.list_routes(socket.AF_INET6)):
        if route["dst_len"] == 0 and route["proto"] == messages.RTPROT_RA:
            setting = Path(f"/proc/sys/net/ipv6/conf/{links.name_of(host, route.get_attr('RTA_OIF'))}/accept_ra")
            if setting.read_text().strip() == "1":
                _write(setting, "2")


def _restore_forwarding(host: netlink.Rtnetlink, name: str, version: int) -> None:
    if _has_heir(host, name, version):
        return
    _write(FORWARDING[version], "0")
    # One that came in between found forwarding on. It had its address before it looked, so it is seen now.
    if _has_heir(host, name, version):
        _write(FORWARDING[version], "1")


def _has_heir(host: netlink.Rtnetlink, name: str, version: int) -> bool:
    """Whether forwarding stays on: an instance that needs it too inherits the duty to switch it off; beside anybody
    else's bridge (Docker, libvirt) it stays on."""
    others = [link for link in host.dump(messages.list_links()) if _kind(link) == "bridge"]
    others = [link for link in others if link.get_attr("IFLA_IFNAME") != name]
    of_podrun = [link for link in others if _is_owned(link.get_attr("IFLA_IFNAME"), link)]
    return any(_inherits(host, link, version) for link in of_podrun) or len(others) != len(of_podrun)


def _inherits(host: netlink.Rtnetlink, link: netlink.Message, version: int) -> bool:
    """Whether another instance's bridge takes the duty: not where it needs no forwarding, or is going as well."""
    heir = link.get_attr("IFLA_IFNAME")
    try:
        if not _has_address(host, link["index"], version):
            return False
        host.change(messages.set_alias(heir, alias(heir, _restored(link) | {version})))
    except netlink.NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    return True


def _has_address(host: netlink.Rtnetlink, index: int, version: int) -> bool:
    return any(address.version == version for _, address in links.addresses_of(host, index))


def _kind(link: netlink.Message) -> str:
    info = link.get_attr("IFLA_LINKINFO")
    return (info.get_attr("IFLA_INFO_KIND") or "") if info is not None else ""


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
