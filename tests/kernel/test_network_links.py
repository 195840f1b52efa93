"""Pods on a bridge, tried with real sockets."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import network_stage
import pytest
from network_stage import Stage, inside, run

from podrun.errors import PodrunError
from podrun.network import addresses, links


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        made.build()
        yield made


def ports(stage: Stage) -> list[str]:
    return network_stage.link_names(f"master {stage.bridge}").splitlines()


def test_pods_reach_each_other_by_ip(stage: Stage) -> None:
    one, other = stage.pod(), stage.pod()
    listener = stage.listen(other.netns)
    stage.dial(one.netns, other.ip, listener.getsockname()[1])
    assert stage.seen_from(listener) == one.ip
    inside(one.netns, f"ping -c 1 -W 20 {other.ip}")


def test_the_host_reaches_a_pod_and_the_pod_the_host(stage: Stage) -> None:
    pod = stage.pod()
    listener = stage.listen(pod.netns)
    stage.dial(stage.here(), pod.ip, listener.getsockname()[1])
    assert stage.seen_from(listener) == str(stage.gateway.ip)
    inside(pod.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")


def test_a_pod_reaches_itself_by_localhost_and_by_its_own_ip(stage: Stage) -> None:
    pod = stage.pod()
    for ip in ("127.0.0.1", pod.ip):
        listener = stage.listen(pod.netns)
        stage.dial(pod.netns, ip, listener.getsockname()[1])
        assert stage.seen_from(listener) == ip


def test_the_pod_sees_eth0_with_its_address_mtu_and_default_route(stage: Stage) -> None:
    pod = stage.pod()
    assert f"{pod.ip}/24" in inside(pod.netns, "ip -brief address show dev eth0")
    assert "mtu 1400" in inside(pod.netns, "ip link show dev eth0")
    assert f"default via {stage.gateway.ip} dev eth0" in inside(pod.netns, "ip route")


def test_the_host_end_says_whose_it_is(stage: Stage) -> None:
    pod = stage.pod()
    shown = run(f"ip -details link show {links.host_end(stage.bridge, pod.uid)}")
    assert f"alias podrun:{stage.bridge}:{pod.uid}" in shown
    assert f"master {stage.bridge}" in shown
    assert "hairpin on" in shown


def test_connecting_again_keeps_the_link_that_is_there(stage: Stage) -> None:
    pod = stage.pod()
    before = ports(stage)
    links.connect(stage.rtnetlink, pod.netns, pod.attachment)
    assert ports(stage) == before
    inside(pod.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")


def test_connecting_completes_what_was_left_half_made(stage: Stage) -> None:
    pod = stage.wish()
    name = links.host_end(stage.bridge, pod.uid)
    run(f"ip link add {name} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{pod.netns}")
    links.connect(stage.rtnetlink, pod.netns, pod.attachment)
    stage.let_send(pod)
    assert f"alias podrun:{stage.bridge}:{pod.uid}" in run(f"ip link show {name}")
    inside(pod.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")


def test_an_address_of_an_earlier_try_is_taken_back(stage: Stage) -> None:
    pod = stage.pod()
    moved = addresses.allocate(stage.networks[0], (), stage.last[stage.networks[0]])
    links.connect(stage.rtnetlink, pod.netns, replace(pod.attachment, addresses=(moved,)))
    shown = inside(pod.netns, "ip -4 -brief address show dev eth0")
    assert f"{moved.ip}/24" in shown
    assert pod.ip + "/" not in shown


def test_a_new_sandbox_of_a_pod_takes_over_from_the_old_one(stage: Stage) -> None:
    pod = stage.pod()
    sandbox = stage.namespace()
    links.connect(stage.rtnetlink, sandbox, pod.attachment)
    assert len(ports(stage)) == 1
    inside(sandbox, f"ping -c 1 -W 20 {stage.gateway.ip}")
    assert "eth0" not in inside(pod.netns, "ip link")


def test_disconnecting_removes_both_ends_and_may_be_repeated(stage: Stage) -> None:
    pod = stage.pod()
    assert links.disconnect(stage.rtnetlink, stage.bridge, pod.uid)
    assert ports(stage) == []
    assert "eth0" not in inside(pod.netns, "ip link")
    assert not links.disconnect(stage.rtnetlink, stage.bridge, pod.uid)


def test_a_sweep_removes_what_no_pod_stands_for(stage: Stage) -> None:
    kept, stray = stage.pod(), stage.pod()
    unplugged = stage.pod()
    run(f"ip link set {links.host_end(stage.bridge, unplugged.uid)} nomaster")
    removed = links.sweep(stage.rtnetlink, stage.bridge, {kept.uid})
    assert set(removed) == {links.host_end(stage.bridge, pod.uid) for pod in (stray, unplugged)}
    inside(kept.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")
    assert links.sweep(stage.rtnetlink, stage.bridge, {kept.uid}) == ()


def test_a_sweep_leaves_other_instances_alone(stage: Stage) -> None:
    pod = stage.pod()
    assert links.sweep(stage.rtnetlink, "prtother", ()) == ()
    inside(pod.netns, f"ping -c 1 -W 20 {stage.gateway.ip}")


def test_a_missing_bridge_is_named(stage: Stage) -> None:
    pod = stage.wish()
    attachment = replace(pod.attachment, bridge="prtnone")
    with pytest.raises(PodrunError, match="cannot connect the pod to bridge prtnone: no interface with this name"):
        links.connect(stage.rtnetlink, pod.netns, attachment)


def test_a_namespace_with_another_eth0_is_refused_and_nothing_is_left(stage: Stage) -> None:
    pod = stage.wish()
    inside(pod.netns, "ip link add eth0 type bridge")
    with pytest.raises(PodrunError, match="with peer eth0: File exists"):
        links.connect(stage.rtnetlink, pod.netns, pod.attachment)
    assert ports(stage) == []


def test_loopback_comes_up_without_a_network(stage: Stage) -> None:
    netns = stage.namespace()
    links.raise_loopback(netns)
    listener = stage.listen(netns)
    stage.dial(netns, "127.0.0.1", listener.getsockname()[1])
    assert stage.seen_from(listener) == "127.0.0.1"


def test_the_mtu_is_that_of_the_default_route(stage: Stage) -> None:
    assert links.host_mtu(stage.rtnetlink) == 1500
    stage.world()
    assert links.host_mtu(stage.rtnetlink) == 1300


CONNECT_FOR_EVER = """
import ipaddress, itertools, sys
from podrun.network import links, netlink
bridge, address, gateway, netns = *sys.argv[1:4], int(sys.argv[4])
host = netlink.Rtnetlink()
for n in itertools.count():
    pod = (ipaddress.ip_interface(address),), (ipaddress.ip_address(gateway),), 1400
    links.connect(host, netns, links.Attachment(f"uid{n}", bridge, *pod))
    print(n, flush=True)
    links.disconnect(host, bridge, f"uid{n}")
"""


def test_whenever_it_is_killed_a_sweep_finds_what_is_left(stage: Stage) -> None:
    before = network_stage.kernel_state()
    for rounds in range(4):
        pod = stage.wish()
        arguments = [stage.bridge, str(pod.attachment.addresses[0]), str(stage.gateway.ip), str(pod.netns)]
        command = [sys.executable, "-c", CONNECT_FOR_EVER, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=(pod.netns,)) as child:
            assert child.stdout is not None
            for _ in range(rounds + 1):
                child.stdout.readline()
            time.sleep(random.uniform(0, 0.03))
            child.kill()
        links.sweep(stage.rtnetlink, stage.bridge, ())
        assert ports(stage) == []
    assert network_stage.kernel_state()[1:] == before[1:]
