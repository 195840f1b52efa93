"""Attacks of a pod on the bridge's other pods. Each is tried again without the rules, to show that it is one."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator

import frames
import network_stage
import pytest
from network_stage import Pod, Stage, inside, run

from podrun.network import addresses, links, netlink, senders
from podrun.network.nfnetlink import Nfnetlink


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        made.build()
        yield made


def mac(pod: Pod) -> str:
    return pod.attachment.mac


def arrives(target: Pod, attack: Callable[[], None], text: bytes, seconds: float) -> bool:
    """Whether a datagram or frame with `text` in it gets into the pod."""

    def listener() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("eth0", 3))
        return made

    with netlink.inside(target.netns, listener) as heard:
        attack()
        heard.settimeout(seconds)
        try:
            while text not in heard.recv(2000):
                pass
        except TimeoutError:
            return False
        return True


def without_rules(stage: Stage) -> None:
    run(f"nft flush chain bridge {senders.table_name(stage.bridge)} prerouting")


def check_attack(stage: Stage, target: Pod, attack: Callable[[], None], text: bytes) -> None:
    assert not arrives(target, attack, text, 0.3)
    without_rules(stage)
    # Where that never comes true, the attack fails for another reason.
    network_stage.wait_until(lambda: arrives(target, attack, text, 0.3))


def test_a_pod_cannot_send_from_another_pods_address(stage: Stage) -> None:
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    packet = frames.ipv4_datagram(neighbour.ip, target.ip, 9, b"forged address")
    forged = frames.frame(mac(attacker), mac(target), frames.IPV4, packet)
    check_attack(stage, target, lambda: frames.send(attacker.netns, "eth0", forged), b"forged address")


def test_a_pod_cannot_send_from_another_pods_mac(stage: Stage) -> None:
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    packet = frames.ipv4_datagram(attacker.ip, target.ip, 9, b"forged mac")
    forged = frames.frame(mac(neighbour), mac(target), frames.IPV4, packet)
    check_attack(stage, target, lambda: frames.send(attacker.netns, "eth0", forged), b"forged mac")


@pytest.mark.parametrize("kind", [0x8100, 0x8863])
def test_a_pod_without_ipv6_sends_nothing_but_ipv4_and_arp(stage: Stage, kind: int) -> None:
    attacker, target = stage.pod(), stage.pod()
    odd = frames.frame(mac(attacker), mac(target), kind, b"\0\1\x08\0" + b"odd frame".ljust(60))
    check_attack(stage, target, lambda: frames.send(attacker.netns, "eth0", odd), b"odd frame")


def test_a_pod_cannot_give_itself_out_as_a_router(stage: Stage) -> None:
    attacker, target = stage.pod(), stage.pod()
    source = str(addresses.link_local(mac(attacker)))
    advertisement = frames.router_advertisement(source, "2001:db8::")
    lie = frames.frame(mac(attacker), "33:33:00:00:00:01", frames.IPV6, advertisement)
    prefix = socket.inet_pton(socket.AF_INET6, "2001:db8::")
    check_attack(stage, target, lambda: frames.send(attacker.netns, "eth0", lie), prefix)


def test_a_pod_cannot_answer_for_another_pod_or_for_the_host(stage: Stage) -> None:
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    inside(target.netns, f"ping -c 1 -W 20 {neighbour.ip}")
    victims = {neighbour.ip: mac(neighbour), str(stage.gateway.ip): addresses.mac(stage.gateway.ip)}

    def poison() -> None:
        for ip in victims:
            answer = frames.arp_answer(mac(attacker), ip, mac(target), target.ip)
            frames.send(attacker.netns, "eth0", frames.frame(mac(attacker), mac(target), frames.ARP, answer))

    def known(ip: str) -> str:
        return inside(target.netns, f"ip neighbour show {ip}")

    inside(target.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")
    poison()
    for ip, owner in victims.items():
        assert owner in known(ip)
    without_rules(stage)
    network_stage.wait_until(lambda: poison() is None and mac(attacker) in known(neighbour.ip))


def test_a_pod_that_takes_another_address_or_mac_is_cut_off(stage: Stage) -> None:
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()

    def ping(source: str) -> int:
        """0: it was answered; 1: it was not."""
        command = ["ping", "-c", "1", "-W", "1", "-I", source, target.ip]
        return netlink.inside(attacker.netns, lambda: subprocess.run(command, capture_output=True).returncode)

    inside(attacker.netns, f"ip address add {neighbour.ip}/24 dev eth0")
    assert ping(neighbour.ip) == 1
    # The kernel may still be asking in the other address's name for where the target is, and give that up first.
    network_stage.wait_until(lambda: ping(attacker.ip) == 0)
    inside(attacker.netns, f"ip link set eth0 address {mac(neighbour)}")
    assert ping(attacker.ip) == 1
    inside(neighbour.netns, f"ping -c 1 -W 20 {target.ip}")


def test_the_bridge_learns_nothing_from_pods_and_shows_them_nothing_of_others(stage: Stage) -> None:
    """Frames to 01:80:c2:00:00:0x are looked at before any rule, and used to teach where their sender is."""
    attacker, neighbour, target = stage.pod(), stage.pod(), stage.pod()
    lesson = frames.frame(mac(neighbour), "01:80:c2:00:00:0e", 0x88CC, b"lesson".ljust(60))
    frames.send(attacker.netns, "eth0", lesson)
    packet = frames.ipv4_datagram(target.ip, neighbour.ip, 9, b"for the neighbour")
    private = frames.frame(mac(target), mac(neighbour), frames.IPV4, packet)
    stray = frames.frame(mac(target), "0a:58:00:00:00:01", frames.IPV4, packet)

    def speak() -> None:
        frames.send(target.netns, "eth0", private, stray)

    # A port may be let in a moment after its pod, and what comes sooner is lost.
    network_stage.wait_until(lambda: arrives(neighbour, speak, b"for the neighbour", 0.3))
    assert not arrives(attacker, speak, b"for the neighbour", 0.3)
    port = links.host_end(stage.bridge, attacker.uid)
    run(f"bridge fdb del {mac(neighbour)} dev {links.host_end(stage.bridge, neighbour.uid)} master static")
    run(f"bridge link set dev {port} learning on")

    def teach_and_speak() -> None:
        frames.send(attacker.netns, "eth0", lesson)
        speak()

    # Where that never comes true, the attack fails for another reason.
    network_stage.wait_until(lambda: arrives(attacker, teach_and_speak, b"for the neighbour", 0.3))


def test_who_has_left_may_send_no_more(stage: Stage) -> None:
    pod = stage.pod()
    before = run("nft list ruleset")
    late = stage.pod()
    nfnetlink = Nfnetlink()
    for _ in range(2):
        senders.remove(nfnetlink, stage.bridge, stage.senders[-1])
    assert run("nft list ruleset") == before
    stage.let_send(pod)
    assert run("nft list ruleset") == before
    nfnetlink.close()
    assert late.ip not in before


def test_a_table_that_somebody_took_away_is_told_apart(stage: Stage) -> None:
    pod = stage.pod()
    run("nft flush ruleset")
    with pytest.raises(FileNotFoundError):
        stage.let_send(pod)
