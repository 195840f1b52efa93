"""The rules for host ports, as text for nft."""

from __future__ import annotations

from ipaddress import ip_address

from podrun.network import addresses, host_ports
from podrun.network.host_ports import HostPort

V4, V6 = ip_address("10.244.0.5"), ip_address("fd00::5")
NETWORKS = addresses.pod_networks("10.244.0.0/24")


def test_a_port_without_address_is_on_both_families() -> None:
    assert host_ports.of_pod([("UDP", "", 53, 5353)], [V4, V6]) == (
        HostPort("udp", None, 53, V4, 5353),
        HostPort("udp", None, 53, V6, 5353),
    )


def test_an_address_chooses_the_family_and_the_unspecified_one_is_all_of_it() -> None:
    wishes = [("TCP", "0.0.0.0", 80, 8080), ("TCP", "::", 81, 8080), ("TCP", "192.0.2.1", 82, 8080)]
    assert host_ports.of_pod(wishes, [V4, V6]) == (
        HostPort("tcp", None, 80, V4, 8080),
        HostPort("tcp", None, 81, V6, 8080),
        HostPort("tcp", ip_address("192.0.2.1"), 82, V4, 8080),
    )
    assert host_ports.of_pod([("TCP", "::", 81, 8080)], [V4]) == ()


def test_every_port_is_an_element_of_a_map_and_none_stands_twice() -> None:
    wishes = [("TCP", "", 80, 8080), ("TCP", "0.0.0.0", 80, 9090), ("SCTP", "127.0.0.1", 80, 8080)]
    text = host_ports.table("br0", NETWORKS, host_ports.of_pod(wishes, [V4]))
    assert "elements = { tcp . 80 : 10.244.0.5 . 9090 } }" in text
    assert "elements = { 127.0.0.1 . sctp . 80 : 10.244.0.5 . 8080 } }" in text


def test_without_ports_nothing_is_made() -> None:
    text = host_ports.table("br0", NETWORKS, ())
    assert text == "add table inet podrun-br0-ports\ndelete table inet podrun-br0-ports\n"
