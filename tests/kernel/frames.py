"""Ethernet frames made by hand, as a hostile pod would send them."""

from __future__ import annotations

import socket
import struct

from podrun.network import messages, netlink

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD


def mac_of(netns: int, link: str) -> str:
    def look() -> str:
        with netlink.Rtnetlink() as rtnetlink:
            return str(rtnetlink.get(messages.get_link(name=link)).get_attr("IFLA_ADDRESS"))

    return netlink.inside(netns, look)


def frame(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return _mac(target) + _mac(source) + struct.pack(">H", kind) + payload


def ipv4_datagram(source: str, target: str, port: int, text: bytes) -> bytes:
    udp = struct.pack(">HHHH", 4000, port, 8 + len(text), 0) + text  # no checksum
    header = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP)
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    return header + struct.pack(">H", _sum(header + b"\0\0" + addresses)) + addresses + udp


def arp_answer(sender_mac: str, sender_ip: str, target_mac: str, target_ip: str) -> bytes:
    head = struct.pack(">HHBBH", 1, IPV4, 6, 4, 2)
    return head + _mac(sender_mac) + socket.inet_aton(sender_ip) + _mac(target_mac) + socket.inet_aton(target_ip)


def icmpv6(source: str, target: str, message: bytes) -> bytes:
    """`message` with zeros for its checksum."""
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    checked = _sum(addresses + struct.pack(">II", len(message), socket.IPPROTO_ICMPV6) + message)
    message = message[:2] + struct.pack(">H", checked) + message[4:]
    return struct.pack(">IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255) + addresses + message


def neighbour_advertisement(source: str, target: str, claimed: str, mac: str) -> bytes:
    """`claimed` is said to be at `mac`."""
    option = struct.pack(">BB", 2, 1) + _mac(mac)
    body = struct.pack(">BBHI", 136, 0, 0, 0x60000000) + socket.inet_pton(socket.AF_INET6, claimed) + option
    return icmpv6(source, target, body)


def router_advertisement(source: str, prefix: str) -> bytes:
    information = struct.pack(">BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + socket.inet_pton(socket.AF_INET6, prefix)
    return icmpv6(source, "ff02::1", struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + information)


def send(netns: int, link: str, *frames: bytes) -> None:
    def transmit() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((link, 0))
            for each in frames:
                raw.send(each)

    netlink.inside(netns, transmit)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _sum(octets: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
