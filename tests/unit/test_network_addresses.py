"""Which address a pod gets."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.errors import PodrunError
from podrun.network import addresses

SMALL = ipaddress.ip_network("198.18.0.0/29")
PODS = [ipaddress.ip_address(f"198.18.0.{n}") for n in range(2, 7)]


def test_the_first_pod_gets_the_address_after_the_gateway() -> None:
    assert str(addresses.gateway(SMALL)) == "198.18.0.1/29"
    assert str(addresses.allocate(SMALL, ())) == "198.18.0.2/29"


def test_an_address_just_given_back_is_not_reused_at_once() -> None:
    assert addresses.allocate(SMALL, set(), after=PODS[0]).ip == PODS[1]


def test_after_the_last_address_it_goes_round() -> None:
    assert addresses.allocate(SMALL, {PODS[0]}, after=PODS[-1]).ip == PODS[1]


def test_an_address_of_another_network_is_no_place_to_start_from() -> None:
    assert addresses.allocate(SMALL, (), after=ipaddress.ip_address("203.0.113.9")).ip == PODS[0]


def test_when_all_are_taken_the_message_says_so() -> None:
    with pytest.raises(PodrunError, match=r"cannot give the pod an address: all of 198\.18\.0\.0/29 are in use"):
        addresses.allocate(SMALL, set(PODS))


@given(taken=st.sets(st.sampled_from(PODS), max_size=4), after=st.sampled_from([None, *SMALL]))
def test_what_is_given_is_free_and_a_pods(
    taken: set[ipaddress.IPv4Address], after: ipaddress.IPv4Address | None
) -> None:
    ip = addresses.allocate(SMALL, taken, after).ip
    assert ip in PODS
    assert ip not in taken


def test_an_ipv6_network_works_the_same_and_has_no_broadcast() -> None:
    network = ipaddress.ip_network("fd00::/126")
    assert str(addresses.gateway(network)) == "fd00::1/126"
    assert addresses.allocate(network, {ipaddress.ip_address("fd00::2")}).ip == ipaddress.ip_address("fd00::3")


@pytest.mark.parametrize(
    "setting",
    ["nonsense", "198.18.0.1/24", "198.18.0.0/31", "fd00::/64", "fd00::/64,198.18.0.0/24", "198.18.0.0/24,fd00::/127"],
)
def test_a_cidr_that_cannot_hold_pods_is_refused(setting: str) -> None:
    with pytest.raises(PodrunError, match=f'cannot use pod CIDR "{setting}"'):
        addresses.pod_networks(setting)


def test_there_may_be_an_ipv6_network_beside_the_other() -> None:
    networks = addresses.pod_networks("198.18.0.0/29, fd00:18::/64")
    assert [str(network) for network in networks] == ["198.18.0.0/29", "fd00:18::/64"]
    assert str(addresses.interface("198.18.0.2", networks)) == "198.18.0.2/29"
    assert str(addresses.interface("fd00:18::2", networks)) == "fd00:18::2/64"
    assert str(addresses.interface("fd00:19::2", networks)) == "fd00:19::2/128"


def test_a_mac_and_a_link_local_address_follow_from_an_address() -> None:
    mac = addresses.mac(ipaddress.ip_address("10.244.0.7"))
    assert mac == "0a:58:0a:f4:00:07"
    assert str(addresses.link_local(mac)) == "fe80::858:aff:fef4:7"
