"""Ephemeral containers in the life of a pod: they come while it runs, run once, and count for nothing."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import happenings as h
from tests.fakes.pod_story import Story, a_pod, deleted, running

HELPER = objects.EphemeralContainer(name="helper", image="i:1", target_container_name="a")


def with_helper(pod: objects.Pod) -> objects.Pod:
    return replace(pod, spec=replace(pod.spec, ephemeral_containers=(*pod.spec.ephemeral_containers, HELPER)))


def added(story: Story) -> Story:
    story.pod = with_helper(story.pod)
    story.happens(h.Synced())
    story.answer_all()
    return story


def test_one_starts_beside_what_runs_and_is_never_ready() -> None:
    story = added(running(Story(a_pod("a"))))
    assert story.life.containers["helper"].state == "running"
    (shown,) = story.status().ephemeral_container_statuses
    assert (shown.name, shown.ready, shown.started) == ("helper", False, None)
    assert shown.state.running is not None
    assert story.status().phase == "Running"
    assert [c.status for c in story.status().conditions] == ["True"] * 5
    assert [s.name for s in story.status().container_statuses] == ["a"]


def test_its_end_is_for_good_whatever_the_policy_and_the_pod_goes_on() -> None:
    story = added(running(Story(a_pod("a", policy="Always"))))
    story.exits("helper", 9)
    story.answer_all()
    story.passes(1000)
    assert story.life.containers["helper"].state == "ended"
    (shown,) = story.status().ephemeral_container_statuses
    assert shown.state.terminated is not None
    assert shown.state.terminated.exit_code == 9
    assert story.status().phase == "Running"
    assert "BackOff" not in story.events()


def test_one_that_runs_does_not_keep_a_pod_alive() -> None:
    story = added(running(Story(a_pod("a", policy="Never"))))
    story.exits("a", 0)
    story.decide()
    stop = story.life.containers["helper"].stop
    assert stop is not None
    story.exits("helper", 137)
    assert story.status().phase == "Succeeded"


def test_one_starts_while_init_containers_still_run() -> None:
    story = added(running(Story(a_pod("a", init=("first",)))))
    assert story.life.containers["first"].state == "running"
    assert story.life.containers["helper"].state == "running"
    assert story.status().phase == "Pending"


def test_none_starts_in_a_pod_that_goes() -> None:
    story = running(Story(a_pod("a")))
    story.pod = deleted(story.pod)
    story.happens(h.Synced())
    added(story)
    assert story.life.containers["helper"].state == "waiting"


def test_a_new_sandbox_does_not_bring_one_back() -> None:
    story = added(running(Story(a_pod("a"))))
    story.happens(h.ShimLost())
    story.answer_all()
    assert story.life.containers["a"].state == "running"
    assert story.life.containers["helper"].state == "ended"
