"""Host ports with real connections, and what must not get in by them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import frames
import network_stage
import pytest
from network_stage import HOST_OUTSIDE, WORLD, Pod, Stage, run

from podrun.network import addresses, conntrack, host_ports, netlink

LOCALHOST = "127.0.0.1"
# What a host that drops forwarded packets looks like, with what Docker and ufw have in common.
DROPPING = """
table ip filter {
    chain FORWARD { type filter hook forward priority filter; policy drop; counter; }
}
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        yield made


def open_ports(stage: Stage, pod: Pod, *wishes: host_ports.PortWish) -> None:
    host_ports.ensure(stage.bridge, stage.networks, host_ports.of_pod(wishes, [ip_address(pod.ip)]))


def server(stage: Stage, netns: int, ip: str, port: int) -> socket.socket:
    listener = netlink.inside(netns, lambda: socket.create_server((ip, port)))
    listener.settimeout(network_stage.GENEROUS)
    stage.closing.callback(listener.close)
    return listener


def datagrams(stage: Stage, netns: int, ip: str = "0.0.0.0", port: int = 0) -> socket.socket:
    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((ip, port))
        return made

    made = netlink.inside(netns, bound)
    made.settimeout(network_stage.GENEROUS)
    stage.closing.callback(made.close)
    return made


@pytest.mark.parametrize("ruleset", ["", DROPPING], ids=["open", "dropping"])
def test_a_host_port_is_reached_from_everywhere(stage: Stage, ruleset: str) -> None:
    world = stage.world()
    run("nft -f -", ruleset)
    stage.build()
    pod, other, here = stage.pod(), stage.pod(), stage.here()
    listener = server(stage, pod.netns, "0.0.0.0", 80)
    open_ports(stage, pod, ("TCP", "", 8080, 80))
    gateway = str(stage.gateway.ip)
    for caller, ip, seen in (
        (world, HOST_OUTSIDE, WORLD),
        (here, LOCALHOST, gateway),
        (here, HOST_OUTSIDE, HOST_OUTSIDE),
        (other.netns, HOST_OUTSIDE, gateway),
        (other.netns, gateway, gateway),
        (pod.netns, HOST_OUTSIDE, gateway),
    ):
        stage.dial(caller, ip, 8080)
        assert stage.seen_from(listener) == seen


def test_an_address_of_the_host_bounds_a_port_to_it(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod = stage.pod()
    listener = server(stage, pod.netns, "0.0.0.0", 80)
    open_ports(stage, pod, ("TCP", LOCALHOST, 8080, 80), ("TCP", HOST_OUTSIDE, 8081, 80))
    gateway = str(stage.gateway.ip)
    for caller, ip, port, seen in ((stage.here(), LOCALHOST, 8080, gateway), (world, HOST_OUTSIDE, 8081, WORLD)):
        stage.dial(caller, ip, port)
        assert stage.seen_from(listener) == seen
    for caller, ip, port in ((world, HOST_OUTSIDE, 8080), (stage.here(), LOCALHOST, 8081)):
        with pytest.raises(ConnectionRefusedError):
            stage.dial(caller, ip, port)


def test_datagrams_get_there_and_back(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod = stage.pod()
    served = datagrams(stage, pod.netns, port=53)
    open_ports(stage, pod, ("UDP", "", 5353, 53))
    for caller, ip in ((world, HOST_OUTSIDE), (stage.here(), LOCALHOST)):
        client = datagrams(stage, caller)
        client.sendto(b"question", (ip, 5353))
        text, sender = served.recvfrom(100)
        served.sendto(b"answer to " + text, sender)
        assert client.recvfrom(100) == (b"answer to question", (ip, 5353))


def test_a_client_that_keeps_its_port_reaches_the_new_owner(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    old, new = stage.pod(), stage.pod()
    client = datagrams(stage, world)
    for pod in (old, new):
        served = datagrams(stage, pod.netns, port=53)
        open_ports(stage, pod, ("UDP", "", 5353, 53))
        conntrack.forget_datagrams([5353])
        client.sendto(b"hello", (HOST_OUTSIDE, 5353))
        assert served.recv(100) == b"hello"


def test_the_last_port_takes_everything_with_it(stage: Stage) -> None:
    stage.build()
    pod = stage.pod()
    before = run("nft list ruleset")
    switch = Path(f"/proc/sys/net/ipv4/conf/{stage.bridge}/route_localnet")
    open_ports(stage, pod, ("TCP", "", 8080, 80))
    assert switch.read_text() == "1\n"
    open_ports(stage, pod)
    assert (switch.read_text(), run("nft list ruleset")) == ("0\n", before)


# Attacks.


def hears(service: socket.socket, seconds: float = 0.3) -> bool:
    """Whether anything arrives that has been sent already."""
    service.settimeout(seconds)
    try:
        return bool(service.recv(100))
    except TimeoutError:
        return False


def test_a_pod_cannot_reach_what_listens_on_the_hosts_loopback(stage: Stage) -> None:
    stage.build()
    pod = stage.pod()
    secret = datagrams(stage, stage.here(), LOCALHOST)
    open_ports(stage, pod, ("TCP", "", 8080, 80))
    packet = frames.ipv4_datagram(pod.ip, LOCALHOST, secret.getsockname()[1], b"attack")
    attack = frames.frame(frames.mac_of(pod.netns, "eth0"), addresses.mac(stage.gateway.ip), frames.IPV4, packet)
    frames.send(pod.netns, "eth0", attack)
    assert not hears(secret)
    run(f"nft flush chain inet {host_ports.table_name(stage.bridge)} guard")

    def is_heard() -> bool:
        frames.send(pod.netns, "eth0", attack)
        return hears(secret)

    network_stage.wait_until(is_heard)  # else the attack fails for another reason


def test_a_port_on_the_hosts_loopback_is_not_reached_from_its_network(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod = stage.pod()
    served = datagrams(stage, pod.netns, port=53)
    open_ports(stage, pod, ("UDP", LOCALHOST, 5353, 53), ("UDP", HOST_OUTSIDE, 5353, 53))
    uplink = frames.mac_of(stage.here(), "uplink")
    for target, arrives in ((LOCALHOST, False), (HOST_OUTSIDE, True)):
        packet = frames.ipv4_datagram(WORLD, target, 5353, b"attack")
        frames.send(world, "outside", frames.frame(frames.mac_of(world, "outside"), uplink, frames.IPV4, packet))
        assert hears(served, network_stage.GENEROUS if arrives else 0.3) == arrives
