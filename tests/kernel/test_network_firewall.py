"""Masquerade and hosts that drop what they would forward, seen from outside."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import network_stage
import pytest
from network_stage import HOST_OUTSIDE, WORLD, Stage, inside, run, wait_until

from podrun.network import addresses, firewall
from podrun.network.ruleset_watch import RulesetWatch

# What iptables-nft makes of Docker's `-P FORWARD DROP` and chains, of ufw's, and a ruleset written by hand.
DOCKER = """
table ip filter {
    chain DOCKER-USER { counter return; }
    chain FORWARD { type filter hook forward priority filter; policy drop; counter jump DOCKER-USER; }
}
"""
UFW = """
table ip filter {
    chain ufw-before-forward { }
    chain FORWARD { type filter hook forward priority filter; policy drop; counter jump ufw-before-forward; }
}
"""
BY_HAND = """
table inet filter {
    chain forward { type filter hook forward priority filter; policy accept; ct state vmap { invalid : drop }; reject; }
}
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with network_stage.stage() as made:
        yield made


def test_the_world_sees_the_hosts_address(stage: Stage) -> None:
    world = stage.world()
    stage.build()
    pod = stage.pod()
    listener = stage.listen(world)
    stage.dial(pod.netns, WORLD, listener.getsockname()[1])
    assert stage.seen_from(listener) == HOST_OUTSIDE


def test_between_pods_nothing_is_masqueraded(stage: Stage) -> None:
    run("sysctl -q -w net.ipv4.ip_forward=1")
    stage.build()
    one, other = stage.pod(), stage.pod()
    listener = stage.listen(other.netns)
    stage.dial(one.netns, other.ip, listener.getsockname()[1])
    assert stage.seen_from(listener) == one.ip


@pytest.mark.parametrize("ruleset", [DOCKER, UFW, BY_HAND], ids=["docker", "ufw", "by-hand"])
def test_pods_get_through_a_host_that_drops(stage: Stage, ruleset: str) -> None:
    world = stage.world()
    run("nft -f -", ruleset)
    stage.build()
    one, other = stage.pod(), stage.pod()
    listener = stage.listen(world)
    stage.dial(one.netns, WORLD, listener.getsockname()[1])
    assert stage.seen_from(listener) == HOST_OUTSIDE
    inside(one.netns, f"ping -c 1 -W 20 {other.ip}")


def test_a_host_that_drops_still_keeps_strangers_from_the_pods(stage: Stage) -> None:
    world = stage.world()
    run("nft -f -", UFW)
    stage.build()
    pod = stage.pod()
    inside(world, f"ip route add {stage.networks[0]} via {HOST_OUTSIDE}")
    port = stage.listen(pod.netns).getsockname()[1]
    with pytest.raises(TimeoutError):
        stage.dial(world, pod.ip, port, timeout=0.5)
    run("nft flush ruleset")
    firewall.ensure(stage.bridge, stage.networks)
    stage.dial(world, pod.ip, port)


@pytest.mark.parametrize("ruleset", [DOCKER, UFW, BY_HAND], ids=["docker", "ufw", "by-hand"])
def test_rules_in_chains_of_others_are_taken_out_again(stage: Stage, ruleset: str) -> None:
    run("nft -f -", ruleset)
    before = run("nft list ruleset")
    stage.build()
    once = run("nft list ruleset")
    stage.build()
    assert run("nft list ruleset") == once
    assert once.count(f'comment "podrun-{stage.bridge}"') == 2
    stage.tear_down()
    assert run("nft list ruleset") == before


@pytest.mark.parametrize("ruleset", [DOCKER, UFW, BY_HAND], ids=["docker", "ufw", "by-hand"])
def test_what_a_firewall_that_comes_later_needs_is_told_and_mended(stage: Stage, ruleset: str) -> None:
    world = stage.world()
    stage.build()
    assert firewall.missing(stage.bridge, stage.networks, has_ports=False) == frozenset()
    run("nft -f -", ruleset)
    missing = firewall.missing(stage.bridge, stage.networks, has_ports=False)
    assert len(missing) == 2
    assert "the rules that keep strangers out" in missing
    stage.build()
    assert firewall.missing(stage.bridge, stage.networks, has_ports=False) == frozenset()
    listener = stage.listen(world)
    stage.dial(stage.pod().netns, WORLD, listener.getsockname()[1])
    assert stage.seen_from(listener) == HOST_OUTSIDE


def test_tables_that_somebody_flushed_are_told(stage: Stage) -> None:
    stage.build()
    run("nft flush ruleset")
    name = f"podrun-{stage.bridge}"
    tables = {f"table inet {name}", f"table inet {name}-ports", f"table bridge {name}"}
    assert firewall.missing(stage.bridge, stage.networks, has_ports=True) == tables


def test_changes_by_others_are_noticed_and_own_ones_are_not(stage: Stage) -> None:
    stage.build()
    with ThreadPoolExecutor(1) as network:  # in this test's namespace, as the thread that makes it is
        watch = RulesetWatch(network.submit(threading.get_native_id).result())
        network.submit(stage.pod).result()
    assert not watch.changed_by_others()
    run("nft add table inet theirs")
    assert watch.changed_by_others()
    assert not watch.changed_by_others()
    watch.close()


def test_beside_docker_the_rules_are_in_docker_user(stage: Stage) -> None:
    run("nft -f -", DOCKER)
    stage.build()
    assert stage.bridge in run("nft list chain ip filter DOCKER-USER")
    assert stage.bridge not in run("nft list chain ip filter FORWARD")


def test_two_instances_keep_their_rules_apart(stage: Stage) -> None:
    run("nft -f -", UFW)
    stage.build()
    firewall.ensure("prtother", addresses.pod_networks("198.18.9.0/24"))
    firewall.remove("prtother")
    assert "prtother" not in run("nft list ruleset")
    assert f"podrun-{stage.bridge}" in run("nft list ruleset")


def test_a_table_that_only_its_owner_may_change_is_a_warning(stage: Stage) -> None:
    with subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdin is not None
        owner.stdin.write(
            "add table inet theirs { flags owner; }\n"
            "add chain inet theirs forward { type filter hook forward priority 0; policy drop; }\n"
        )
        owner.stdin.flush()
        wait_until(lambda: "policy drop" in run("nft list ruleset"))
        warnings = firewall.ensure(stage.bridge, stage.networks)
        owner.stdin.close()
    assert len(warnings) == 1
    assert warnings[0].startswith("cannot let pods through chain forward of table inet theirs: ")


def test_an_open_host_gets_masquerade_and_bound_senders_and_nothing_else(stage: Stage) -> None:
    stage.build()
    ruleset = json.loads(run("nft -j list ruleset"))["nftables"]
    assert [entry["chain"]["name"] for entry in ruleset if "chain" in entry] == ["postrouting", "prerouting"]


def test_removing_what_is_not_there_is_no_error(stage: Stage) -> None:
    assert not firewall.remove(stage.bridge)
