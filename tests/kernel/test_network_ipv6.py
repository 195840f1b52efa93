"""Pods with both families: reached, translated, and kept from each other's addresses by IPv6 as well."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import frames
import network_stage
import pytest
from network_stage import DUAL, HOST_OUTSIDE, HOST_OUTSIDE6, WORLD, WORLD6, Stage, forwarding, inside, run, wait_until

from podrun.errors import PodrunError
from podrun.network import addresses, bridge, host_ports, netlink, senders


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        made.networks = DUAL
        yield made


def test_pods_and_the_host_reach_each_other_by_both(stage: Stage) -> None:
    stage.build()
    one, other = stage.pod(), stage.pod()
    listener = stage.listen(other.netns)
    port = listener.getsockname()[1]
    gateway = str(addresses.gateway(DUAL[1]).ip)
    for caller, ip, seen in (
        (one.netns, other.ip6, one.ip6),
        (one.netns, other.ip, one.ip),
        (stage.here(), other.ip6, gateway),
    ):
        stage.dial(caller, ip, port)
        assert stage.seen_from(listener) == seen


def test_the_world_sees_the_hosts_addresses(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod = stage.pod()
    listener = stage.listen(world)
    for target, seen in ((WORLD6, HOST_OUTSIDE6), (WORLD, HOST_OUTSIDE)):
        stage.dial(pod.netns, target, listener.getsockname()[1])
        assert stage.seen_from(listener) == seen


def test_a_network_that_others_route_to_is_not_masqueraded(stage: Stage) -> None:
    stage.networks = addresses.pod_networks("198.18.7.0/24,2001:db8:18::/64")
    stage.build()
    assert "ip6 saddr" not in run(f"nft list table inet podrun-{stage.bridge}")


def test_a_host_that_drops_ipv6_lets_pods_through(stage: Stage) -> None:
    world = stage.world()
    run("nft -f -", "table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }")
    stage.build()
    pod = stage.pod()
    listener = stage.listen(world)
    stage.dial(pod.netns, WORLD6, listener.getsockname()[1])
    assert stage.seen_from(listener) == HOST_OUTSIDE6


def test_a_host_port_is_reached_by_ipv6(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod, other = stage.pod(), stage.pod()
    listener = stage.listen(pod.netns)
    own = [interface.ip for interface in pod.attachment.addresses]
    wish = ("TCP", "", 8080, listener.getsockname()[1])
    host_ports.ensure(stage.bridge, stage.networks, host_ports.of_pod([wish], own))
    gateway = str(addresses.gateway(DUAL[1]).ip)
    callers = ((world, WORLD6), (stage.here(), HOST_OUTSIDE6), (other.netns, gateway), (pod.netns, gateway))
    for netns, seen in callers:
        stage.dial(netns, HOST_OUTSIDE6, 8080)
        assert stage.seen_from(listener) == seen
    with pytest.raises(ConnectionRefusedError):
        stage.dial(stage.here(), "::1", 8080)


def test_forwarding_is_on_while_the_bridge_is_there_and_the_routers_word_still_counts(stage: Stage) -> None:
    stage.world()
    run(f"ip -6 route replace default via {WORLD6} dev uplink proto ra")
    setting = Path("/proc/sys/net/ipv6/conf/uplink/accept_ra")
    setting.write_text("1")
    stage.build()
    assert (forwarding(), setting.read_text()) == ("11", "2\n")
    stage.tear_down()
    assert forwarding() == "00"


def test_an_instance_without_ipv6_inherits_only_what_it_needs(stage: Stage) -> None:
    stage.build()
    other = addresses.gateway(addresses.pod_networks("198.18.9.0/24")[0])
    bridge.ensure(stage.rtnetlink, "prtother", (other,), 1400)
    stage.tear_down()
    assert forwarding() == "10"
    bridge.remove(stage.rtnetlink, "prtother")
    assert forwarding() == "00"


def test_a_network_that_the_host_uses_is_refused(stage: Stage) -> None:
    stage.world()
    run("ip address add fd00:18:7::9/64 dev uplink nodad")
    with pytest.raises(PodrunError, match=r"overlaps fd00:18:7::/64, which the host uses on uplink"):
        bridge.ensure(stage.rtnetlink, stage.bridge, tuple(map(addresses.gateway, DUAL)), 1400)


# Attacks, each tried again without the rules.


def without_rules(stage: Stage) -> None:
    run(f"nft flush chain bridge {senders.table_name(stage.bridge)} prerouting")


def test_a_pod_cannot_answer_for_another_pod(stage: Stage) -> None:
    stage.build()
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    inside(target.netns, f"ping -6 -c 1 -W 20 {neighbour.ip6}")
    own = attacker.attachment.mac
    lie = frames.neighbour_advertisement(attacker.ip6, target.ip6, neighbour.ip6, own)

    def poison() -> str:
        frames.send(
            attacker.netns, "eth0", frames.frame(attacker.attachment.mac, target.attachment.mac, frames.IPV6, lie)
        )
        return inside(target.netns, f"ip -6 neighbour show {neighbour.ip6}")

    poison()
    assert neighbour.attachment.mac in poison()
    without_rules(stage)
    wait_until(lambda: own in poison())


def test_a_pod_cannot_send_from_another_pods_address(stage: Stage) -> None:
    stage.build()
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    echo = frames.icmpv6(neighbour.ip6, target.ip6, b"\x80\0\0\0\0\1\0\1" + b"forged")

    def listener() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        made.settimeout(0.3)
        return made

    def arrives() -> bool:
        forged = frames.frame(attacker.attachment.mac, target.attachment.mac, frames.IPV6, echo)
        frames.send(attacker.netns, "eth0", forged)
        try:
            while b"forged" not in heard.recv(2000):
                pass
        except TimeoutError:
            return False
        return True

    with netlink.inside(target.netns, listener) as heard:
        assert not arrives()
        without_rules(stage)
        wait_until(arrives)


def test_a_pod_cannot_give_itself_out_as_a_router(stage: Stage) -> None:
    stage.build()
    attacker, target = stage.pod(), stage.pod()
    own = attacker.attachment.mac
    lie = frames.router_advertisement(str(addresses.link_local(own)), "2001:db8:bad::")

    def believed() -> bool:
        frames.send(
            attacker.netns, "eth0", frames.frame(attacker.attachment.mac, "33:33:00:00:00:01", frames.IPV6, lie)
        )
        return "2001:db8:bad:" in inside(target.netns, "ip -6 address show dev eth0")

    assert not believed()
    assert not believed()
    without_rules(stage)
    wait_until(believed)
