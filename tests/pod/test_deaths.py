"""The table of deaths: fork server, shim, pause or kubelet is killed, and what follows is as ARCHITECTURE says."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from tests import wait
from tests.pod import instance, manifests, pods
from tests.pod.instance import Instance
from tests.pod.manifests import Json


def changed_sandbox(before: Json) -> pods.Condition:
    """Whether every container of the pod runs anew."""
    old = pods.container_ids(before)

    def condition(pod: Json) -> bool:
        return pods.is_ready(pod) and all(pods.container_ids(pod)[name] != id for name, id in old.items())

    return condition


@pytest.mark.vm
def test_without_the_fork_server_pods_go_on_and_the_next_one_starts(node: Instance) -> None:
    node.submit(manifests.pod("before-fork-server"))
    before = node.wait_for("before-fork-server", pods.is_ready, "to be ready")
    killed = node.fork_server_pid()
    instance.kill(killed)
    node.submit(manifests.pod("after-fork-server"))
    node.wait_for("after-fork-server", pods.is_ready, "to be ready with a new fork server")
    assert node.fork_server_pid() != killed
    assert pods.container_ids(node.pod("before-fork-server")) == pods.container_ids(before)
    assert node.exec("before-fork-server", "echo", "alive").stdout == "alive\n"


@pytest.mark.vm
def test_a_pod_whose_shim_died_gets_a_new_sandbox_and_its_runs_count_as_lost(node: Instance) -> None:
    init = manifests.busybox("init", "echo initialized")
    node.submit(manifests.pod("shim", manifests.busybox(), manifests.busybox("other"), initContainers=[init]))
    before = node.wait_for("shim", pods.is_ready, "to be ready")
    processes = node.container_pids(before) + node.container_pids(before, "other")
    instance.kill(node.shim_pid(before))
    after = node.wait_for("shim", changed_sandbox(before), "to run in a new sandbox")
    for name in ("main", "other"):
        lost = pods.last_terminated(after, name)
        assert (lost["exitCode"], lost["reason"]) == (137, "ContainerStatusUnknown")
        assert lost["message"] == "The container could not be located when the pod was terminated"
        assert pods.restarts(after, name) == 1
    assert pods.restarts(after, "init") == 1, "a new sandbox runs the init containers again"
    changed = "SandboxChanged Pod sandbox changed, it will be killed and re-created."
    assert changed in node.events("shim")
    assert not set(processes) & set(node.container_pids(after) + node.container_pids(after, "other"))
    assert node.exec("shim", "true").returncode == 0


def test_a_pod_that_is_never_restarted_has_failed_when_its_shim_died(node: Instance) -> None:
    node.submit(manifests.pod("never", restartPolicy="Never"))
    before = node.wait_for("never", pods.is_ready, "to be ready")
    instance.kill(node.shim_pid(before))
    after = node.wait_for("never", pods.has_ended, "to have failed")
    assert pods.phase(after) == "Failed"
    lost = pods.terminated(after)
    assert (lost["exitCode"], lost["reason"]) == (137, "ContainerStatusUnknown")
    assert pods.restarts(after) == 0
    wait.wait_until(lambda: not node.pod_group(before).exists(), "its control groups to be gone")


@pytest.mark.vm
def test_a_pod_whose_pause_died_gets_a_new_sandbox(node: Instance) -> None:
    init = manifests.busybox("init", "echo initialized")
    node.submit(manifests.pod("pause", manifests.busybox(), manifests.busybox("other"), initContainers=[init]))
    before = node.wait_for("pause", pods.is_ready, "to be ready")
    killed = node.pause_pid(before)
    instance.kill(killed)
    after = node.wait_for("pause", changed_sandbox(before), "to run in a new sandbox")
    assert [pods.restarts(after, name) for name in ("init", "main", "other")] == [1, 1, 1]
    assert pods.last_terminated(after)["reason"] in ("Completed", "Error")
    assert "SandboxChanged Pod sandbox changed, it will be killed and re-created." in node.events("pause")
    assert node.pause_pid(after) != killed


def test_with_a_shared_pid_namespace_the_end_of_pause_is_the_end_of_all_and_all_start_again(node: Instance) -> None:
    node.submit(manifests.pod("shared-pause", shareProcessNamespace=True))
    before = node.wait_for("shared-pause", pods.is_ready, "to be ready")
    instance.kill(node.pause_pid(before))
    after = node.wait_for("shared-pause", changed_sandbox(before), "to run in a new sandbox")
    assert pods.last_terminated(after)["exitCode"] == 137
    assert not any(event.startswith("Failed ") for event in node.events("shared-pause"))


def test_a_killed_container_is_restarted_in_the_same_sandbox(node: Instance) -> None:
    node.submit(manifests.pod("container", manifests.busybox(), manifests.busybox("other")))
    before = node.wait_for("container", pods.is_ready, "to be ready")
    pause = node.pause_pid(before)
    instance.kill(node.container_pids(before)[0])
    after = node.wait_for("container", lambda pod: pods.restarts(pod) == 1 and pods.is_ready(pod), "to run again")
    assert pods.last_terminated(after)["exitCode"] == 137
    assert pods.last_terminated(after)["reason"] == "Error"
    assert node.pause_pid(after) == pause
    assert pods.container_ids(after)["other"] == pods.container_ids(before)["other"]


def test_a_shim_that_dies_while_there_is_no_kubelet_is_noticed_by_the_next_one(own_node: Instance) -> None:
    own_node.submit(manifests.pod("orphan"), manifests.pod("never", restartPolicy="Never"))
    before = own_node.wait_for("orphan", pods.is_ready, "to be ready")
    never = own_node.wait_for("never", pods.is_ready, "to be ready")
    own_node.kill_kubelet()
    instance.kill(own_node.shim_pid(before))
    instance.kill(own_node.shim_pid(never))
    own_node.start_kubelet()
    after = own_node.wait_for("orphan", changed_sandbox(before), "to run in a new sandbox")
    assert pods.last_terminated(after)["reason"] == "ContainerStatusUnknown"
    ended = own_node.wait_for("never", pods.has_ended, "to have failed")
    assert pods.terminated(ended)["reason"] == "ContainerStatusUnknown"


class Storm:
    """Pods come and go, and their processes are killed, in an order that a seed decides."""

    def __init__(self, node: Instance, seed: int) -> None:
        self.node = node
        self.dice = random.Random(seed)
        self.wanted: dict[str, bool] = {}  # by name: whether it was struck; a second blow would bring back-off
        self.serial = 0

    def turn(self) -> None:
        acts = (self.add, self.add, self.remove, self.strike, self.strike, self.strike_fork_server, self.strike_kubelet)
        self.dice.choice(acts)()
        time.sleep(self.dice.uniform(0, 0.1))

    def add(self) -> None:
        self.serial += 1
        name = f"pod-{self.serial}"
        policy = self.dice.choice(("Always", "OnFailure"))
        containers = [manifests.busybox(f"c{n}", "while true; do sleep 0.2; done") for n in range(2)]
        self.node.submit(manifests.pod(name, *containers, restartPolicy=policy, terminationGracePeriodSeconds=0))
        self.wanted[name] = False

    def remove(self) -> None:
        if self.wanted:
            name = self.dice.choice(sorted(self.wanted))
            del self.wanted[name]
            self.node.discard(name, grace=self.dice.choice((None, 1, 0)))

    def strike(self) -> None:
        fresh = sorted(name for name, struck in self.wanted.items() if not struck)
        if fresh:
            name = self.dice.choice(fresh)
            self.wanted[name] = True
            find = self.dice.choice((self.node.shim_pid, self.node.pause_pid))
            # It may not be there yet: then nothing is struck.
            with contextlib.suppress(ValueError, OSError, KeyError):
                instance.kill(find(self.node.pod(name)))

    def strike_fork_server(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            instance.kill(self.node.fork_server_pid())

    def strike_kubelet(self) -> None:
        self.node.kill_kubelet()
        self.node.start_kubelet()


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_storm_of_deaths_every_wanted_pod_runs_and_nothing_else_is_there(own_node: Instance, seed: int) -> None:
    storm = Storm(own_node, seed)
    for _ in range(60):
        storm.turn()
    for name in storm.wanted:
        own_node.wait_for(name, pods.is_ready, "to be ready after the storm", seconds=60)
    wait.wait_until(lambda: set(own_node.pods()) == set(storm.wanted), "only the wanted pods to be there")
    for name in storm.wanted:
        own_node.discard(name)
    own_node.wait_gone(*storm.wanted)
    wait.wait_until(lambda: own_node.remains() == [], "the files of all pods to be gone")
