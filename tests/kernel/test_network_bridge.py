"""The bridge of an instance: made, found again, taken away without a trace."""

from __future__ import annotations

from collections.abc import Iterator

import network_stage
import pytest
from network_stage import Stage, forwarding, kernel_state, run

from podrun.errors import PodrunError
from podrun.network import addresses, bridge


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        yield made


def ensure(stage: Stage, name: str, network: str) -> None:
    gateway = addresses.gateway(addresses.pod_networks(network)[0])
    bridge.ensure(stage.rtnetlink, name, (gateway,), 1400)


def test_after_the_last_pod_nothing_is_left(stage: Stage) -> None:
    before = kernel_state()
    stage.build()
    stage.pod()
    assert kernel_state() != before
    stage.tear_down()
    assert kernel_state() == before


def test_a_bridge_left_by_a_kubelet_that_died_is_taken_over(stage: Stage) -> None:
    stage.build()
    pod = stage.pod()
    before = kernel_state()
    stage.build()
    assert kernel_state() == before
    network_stage.inside(pod.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")


def test_a_damaged_bridge_is_mended(stage: Stage) -> None:
    stage.build()
    run(f"ip link set {stage.bridge} down")
    run(f"ip address flush dev {stage.bridge}")
    run(f"ip address add 192.0.2.1/24 dev {stage.bridge}")
    stage.build()
    shown = run(f"ip -4 address show dev {stage.bridge}")
    assert f"{stage.gateway}" in shown
    assert "192.0.2.1" not in shown
    assert ",UP" in shown


def test_the_mac_stays_when_ports_come_and_go(stage: Stage) -> None:
    stage.build()
    before = run(f"ip link show {stage.bridge}").split("link/ether ")[1].split()[0]
    for _ in range(5):
        stage.pod()
    assert before == "0a:58:c6:12:07:01"
    assert before in run(f"ip link show {stage.bridge}")


def test_forwarding_is_switched_on_and_off_again(stage: Stage) -> None:
    assert forwarding() == "00"
    ensure(stage, "prtone", "198.18.1.0/24")
    assert forwarding() == "10"
    ensure(stage, "prtone", "198.18.1.0/24")
    assert bridge.remove(stage.rtnetlink, "prtone")
    assert forwarding() == "00"


def test_forwarding_that_was_on_stays_on(stage: Stage) -> None:
    run("sysctl -q -w net.ipv4.ip_forward=1")
    ensure(stage, "prtone", "198.18.1.0/24")
    bridge.remove(stage.rtnetlink, "prtone")
    assert forwarding() == "10"


def test_the_last_of_two_instances_switches_forwarding_off(stage: Stage) -> None:
    ensure(stage, "prtone", "198.18.1.0/24")
    ensure(stage, "prttwo", "198.18.2.0/24")
    bridge.remove(stage.rtnetlink, "prtone")
    assert forwarding() == "10"
    bridge.remove(stage.rtnetlink, "prttwo")
    assert forwarding() == "00"


def test_beside_the_bridge_of_somebody_else_forwarding_stays_on(stage: Stage) -> None:
    ensure(stage, "prtone", "198.18.1.0/24")
    run("ip link add docker0 type bridge")
    bridge.remove(stage.rtnetlink, "prtone")
    assert forwarding() == "10"


def test_a_link_of_the_same_name_is_never_taken_or_removed(stage: Stage) -> None:
    run("ip link add prtone type bridge")
    with pytest.raises(PodrunError, match="cannot use bridge prtone: a network link of this name exists"):
        ensure(stage, "prtone", "198.18.1.0/24")
    with pytest.raises(PodrunError, match="is not podrun's"):
        bridge.remove(stage.rtnetlink, "prtone")
    assert not bridge.exists(stage.rtnetlink, "prtone")


@pytest.mark.parametrize("network", ["203.0.113.0/24", "203.0.0.0/16", "203.0.113.0/28"])
def test_a_cidr_that_the_host_has_addresses_in_is_refused(stage: Stage, network: str) -> None:
    stage.world()
    before = kernel_state()
    with pytest.raises(PodrunError, match=r"it overlaps 203\.0\.113\.0/24, which the host uses on uplink"):
        ensure(stage, "prtone", network)
    assert kernel_state() == before


def test_a_cidr_that_the_host_routes_elsewhere_is_refused(stage: Stage) -> None:
    stage.world()
    run(f"ip route add 198.18.0.0/16 via {network_stage.WORLD}")
    with pytest.raises(PodrunError, match=r"cannot use pod CIDR 198\.18\.1\.0/24: it overlaps 198\.18\.0\.0/16"):
        ensure(stage, "prtone", "198.18.1.0/24")


def test_two_instances_with_the_same_cidr_do_not_start(stage: Stage) -> None:
    ensure(stage, "prtone", "198.18.1.0/24")
    with pytest.raises(PodrunError, match="which the host uses on prtone"):
        ensure(stage, "prttwo", "198.18.1.0/24")


def test_removing_what_is_not_there_is_no_error(stage: Stage) -> None:
    assert not bridge.remove(stage.rtnetlink, "prtone")
