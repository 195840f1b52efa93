"""postStart and preStop hooks and stop signals, told by the containers themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pod import manifests, pods, story
from tests.pod.instance import Instance
from tests.pod.manifests import Json
from tests.pod.story import Story, lifecycle, noting, until

SERVE = "mkdir -p /www/cgi-bin; touch /www/index.html; httpd -v -p 8080 -h /www; "
FOREVER = 600  # seconds of grace that no test waits for


@pytest.fixture
def told(node: Instance) -> Iterator[Story]:
    with Story(node) as tale:
        yield tale


def is_created(pod: Json, name: str = "main") -> bool:
    """The runtime has begun it, and the kubelet has heard of it."""
    return bool(pods.container(pod, name).get("containerID"))


@pytest.mark.vm
def test_a_container_counts_as_running_when_its_post_start_hook_has_returned(node: Instance, told: Story) -> None:
    probe = noting("probe") | {"periodSeconds": 1}
    hook = lifecycle(postStart=noting("hook", until("go")))
    first = told.container("first", "note main; " + manifests.SLEEP, readinessProbe=probe, **hook)
    second = told.container("second", "note second; " + manifests.SLEEP)
    name = told.submit(first, second)
    told.wait_for("hook")
    told.wait_for("main")
    starting = node.wait_for(name, lambda pod: is_created(pod, "first"), "to be begun")
    assert pods.waiting(starting, "first")["reason"] == "ContainerCreating"
    assert not pods.container(starting, "first")["started"]
    assert not pods.container(starting, "first")["ready"]
    assert not is_created(starting, "second"), "the next one starts when the hook has returned"
    assert "second" not in told.lines()
    assert "probe" not in told.lines(), "it is not asked before it counts as running"
    assert pods.phase(starting) == "Pending"

    told.create("go")
    ready = node.wait_for(name, pods.is_ready, "to be ready")
    assert pods.is_running(ready, "first")
    assert pods.container(ready, "first")["started"]


def test_a_failing_post_start_hook_ends_the_container_and_the_restart_policy_goes_on(
    node: Instance, told: Story
) -> None:
    hook = noting("hook", "exit 5")
    script = story.obedient("term", 3)
    name = told.submit(told.container(script=script, **lifecycle(postStart=hook, preStop=noting("prestop"))))
    told.wait_for("hook", 2)
    story.wait_event(node, name, "FailedPostStartHook", "PostStartHook failed")
    story.wait_event(node, name, "Killing", "FailedPostStartHook")
    again = node.wait_for(name, lambda pod: pods.restarts(pod) >= 1, "to run again")
    assert pods.last_terminated(again)["exitCode"] in (0, 3, 137, 143)
    told.wait_for("prestop")  # that of a run may be cut short by its grace period
    assert told.lines().index("hook") < told.lines().index("prestop")


def test_a_failing_post_start_hook_fails_a_pod_that_never_restarts(node: Instance, told: Story) -> None:
    missing = {"exec": {"command": ["/no/such/program"]}}
    script = story.obedient("term", 3)
    name = told.submit(told.container(script=script, **lifecycle(postStart=missing)), restartPolicy="Never")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(pod) == "Failed"
    assert pods.restarts(pod) == 0
    story.wait_event(node, name, "FailedPostStartHook")


def test_an_http_hook_asks_the_pods_own_server_and_takes_any_answer(node: Instance, told: Story) -> None:
    """postStart has a server in the container beside it; what comes back, here 404, does not matter."""
    server = told.container("server", SERVE + manifests.SLEEP, readinessProbe={"tcpSocket": {"port": 8080}})
    get = {"httpGet": {"path": "/missing", "port": "web"}}
    ports = [{"name": "web", "containerPort": 8080}]
    client = told.container("client", f"{until('go')}; {manifests.SLEEP}", ports=ports, **lifecycle(postStart=get))
    until_served = "until wget -q -O /dev/null localhost:8080/; do sleep 0.05; done"
    sleeper = told.container("sleeper", **lifecycle(postStart=noting("up", until_served)))
    name = told.submit(server, sleeper, client)
    node.wait_for(name, lambda pod: pods.is_running(pod, "client"), "to run after the hook")
    assert story.event_count(node, name, "FailedPostStartHook") == 0


def test_an_http_hook_that_reaches_nobody_fails(node: Instance, told: Story) -> None:
    get = {"httpGet": {"path": "/", "port": 9}}
    name = told.submit(told.container(script=story.obedient("term"), **lifecycle(postStart=get)), restartPolicy="Never")
    node.wait_for(name, pods.has_ended, "to end")
    story.wait_event(node, name, "FailedPostStartHook", "PostStartHook failed")


def test_a_sleeping_post_start_hook_lets_the_container_wait(node: Instance, told: Story) -> None:
    name = told.submit(
        told.container(script="note main; " + manifests.SLEEP, **lifecycle(postStart={"sleep": {"seconds": 10}})),
        terminationGracePeriodSeconds=FOREVER,
    )
    told.wait_for("main")
    starting = node.wait_for(name, is_created, "to be begun")
    assert not pods.is_running(starting)
    node.wait_for(name, pods.is_running, "to run after the hook")


@pytest.mark.vm
def test_pre_stop_runs_to_its_end_before_the_stop_signal(node: Instance, told: Story) -> None:
    hook = noting("prestop", f"{until('go')}; note prestopped")
    name = told.submit(
        told.container(script=story.obedient("term"), **lifecycle(preStop=hook)), terminationGracePeriodSeconds=FOREVER
    )
    node.wait_for(name, pods.is_ready, "to be ready")
    node.discard(name)
    told.wait_for("prestop")
    ending = node.pod(name)
    assert pods.is_running(ending)
    assert story.column(node, name) == "Terminating"
    told.create("go")
    node.wait_gone(name)
    assert told.lines() == ["prestop", "prestopped", "term"]
    story.wait_event(node, name, "Killing", "Stopping container main")


def test_the_time_of_pre_stop_counts_against_the_grace_period(node: Instance, told: Story) -> None:
    """The hook never returns: the stop signal comes when the grace period is over, SIGKILL two seconds later."""
    script = f"trap 'note term' TERM; {story.PATIENT}"
    name = told.submit(
        told.container(script=script, **lifecycle(preStop=noting("prestop", "sleep 12345"))),
        terminationGracePeriodSeconds=5,
    )
    node.wait_for(name, pods.is_ready, "to be ready")
    node.discard(name)
    node.wait_gone(name)
    assert told.lines() == ["prestop", "term"]


def test_a_sleeping_pre_stop_hook_is_cut_short_by_the_grace_period(node: Instance, told: Story) -> None:
    """The hook would sleep for ten minutes."""
    sleep = {"sleep": {"seconds": 600}}
    name = told.submit(
        told.container(script=story.obedient("term"), **lifecycle(preStop=sleep)), terminationGracePeriodSeconds=600
    )
    node.wait_for(name, pods.is_ready, "to be ready")
    node.discard(name)
    story.wait_event(node, name, "Killing", "Stopping container main")
    assert told.lines() == []
    node.discard(name, 2)  # a shorter grace period counts for a deletion that is under way
    node.wait_gone(name)
    assert told.lines() == ["term"]


def test_a_failing_pre_stop_hook_is_told_and_the_end_goes_on(node: Instance, told: Story) -> None:
    hook = noting("prestop", "exit 1")
    name = told.submit(
        told.container(script=story.obedient("term", first="up"), **lifecycle(preStop=hook)),
        terminationGracePeriodSeconds=FOREVER,
    )
    told.wait_for("up")
    node.discard(name)
    node.wait_gone(name)
    assert told.lines() == ["up", "prestop", "term"]
    story.wait_event(node, name, "FailedPreStopHook", "PreStopHook failed")


def test_pre_stop_does_not_run_when_the_container_ends_by_itself(node: Instance, told: Story) -> None:
    script = f"note start; {until('go')}; note exit"
    name = told.submit(told.container(script=script, **lifecycle(preStop=noting("prestop"))), restartPolicy="Never")
    told.wait_for("start")
    told.create("go")
    pod = node.wait_for(name, pods.has_ended, "to end")
    assert pods.phase(pod) == "Succeeded"
    node.discard(name)
    node.wait_gone(name)
    assert told.lines() == ["start", "exit"]
    assert story.event_count(node, name, "Killing") == 0


def test_a_hook_dies_with_its_container(node: Instance, told: Story) -> None:
    """The main program leaves while its preStop hook runs: neither hook nor pod stays."""
    hook = noting("prestop", "touch /story/leave; sleep 12345")
    script = f"{until('leave')}; note exit"
    name = told.submit(told.container(script=script, **lifecycle(preStop=hook)), terminationGracePeriodSeconds=FOREVER)
    node.wait_for(name, pods.is_ready, "to be ready")
    node.discard(name)
    node.wait_gone(name)
    assert told.lines() == ["prestop", "exit"]


def test_a_containers_own_stop_signal_is_sent_instead_of_term(node: Instance, told: Story) -> None:
    script = f"trap 'note term; exit 1' TERM; trap 'note usr1; exit 0' USR1; note up; {story.PATIENT}"
    container = told.container(script=script, **lifecycle(stopSignal="SIGUSR1"))
    name = told.submit(container, terminationGracePeriodSeconds=FOREVER, os={"name": "linux"})
    told.wait_for("up")
    node.wait_for(name, pods.is_ready, "to be ready")
    node.discard(name)
    node.wait_gone(name)
    assert told.lines() == ["up", "usr1"]


def test_a_hook_that_was_under_way_is_run_again_by_the_next_kubelet(own_node: Instance) -> None:
    with Story(own_node) as tale:
        hook = noting("hook", until("go"))
        name = tale.submit(tale.container(**lifecycle(postStart=hook)))
        tale.wait_for("hook")
        own_node.wait_for(name, is_created, "to be begun")
        own_node.kill_kubelet()
        own_node.start_kubelet()
        tale.wait_for("hook", 2)
        assert not pods.is_running(own_node.pod(name))
        tale.create("go")
        ready = own_node.wait_for(name, pods.is_ready, "to be ready")
        assert pods.restarts(ready) == 0
