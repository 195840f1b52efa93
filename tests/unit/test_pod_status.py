"""What a pod's status says of its life: phase, waiting reasons, conditions, flags, by the tables of the kubelet."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import container_life, pod_life, status
from podrun.kubelet import happenings as h
from podrun.shim import facts
from tests.fakes.pod_story import HOOK, PROBE, Story, a_pod, deleted, running, with_container, with_spec

POST_START = objects.Lifecycle(post_start=HOOK)


def waiting(story: Story, name: str = "a") -> tuple[str, str]:
    """Reason and message; both empty where the container does not wait."""
    statuses = {s.name: s for s in (*story.status().init_container_statuses, *story.status().container_statuses)}
    found = statuses[name].state.waiting
    return (found.reason, found.message) if found else ("", "")


def about_to_launch(pod: objects.Pod) -> Story:
    """Everything is there but the run itself, which was asked for."""
    story = Story(pod)
    story.decide()
    while asked := story.take(h.PrepareVolumes, h.MakeSandbox, h.EnsureImage):
        for effect in asked:
            story.answer(effect)
    return story


def fails_to_start(story: Story, name: str = "a") -> None:
    attempt = story.life.containers[name].attempt
    story.fact(facts.StartFailed(name, attempt, f"{name}-{attempt}", "execute", 2, "not found", story.now))


def condition(story: Story, kind: str) -> objects.PodCondition:
    return next(c for c in story.status().conditions if c.type == kind)


# ---- waiting ---------------------------------------------------------------------------------------------------------


def test_a_start_that_failed_is_shown_until_the_next_one_or_the_back_off() -> None:
    story = about_to_launch(a_pod("a"))
    fails_to_start(story)
    assert waiting(story) == ("RunContainerError", "execute: not found")
    assert story.status().phase == "Running"
    story.answer(story.take(h.EnsureImage)[0])
    assert waiting(story)[0] == "RunContainerError", "until a start succeeds"
    story.take(h.LaunchRun)
    fails_to_start(story)
    shown = story.status().container_statuses[0]
    assert (waiting(story)[0], shown.restart_count) == ("RunContainerError", 1)
    assert shown.last_state.terminated is not None
    assert (shown.last_state.terminated.reason, shown.last_state.terminated.exit_code) == ("StartError", 128)
    assert "BackOff" not in story.events()
    story.passes(container_life.ERROR_SHOWN)
    assert waiting(story) == (
        "CrashLoopBackOff",
        "back-off 10s restarting failed container=a pod=web_default(u-1)",
    )
    assert story.events().count("BackOff") == 1
    story.passes(9)
    story.answer_all()
    assert waiting(story) == ("", "")
    assert story.status().container_statuses[0].state.running is not None


def test_a_start_that_failed_for_good_is_the_end_of_the_run() -> None:
    story = about_to_launch(a_pod("a", policy="Never"))
    fails_to_start(story)
    terminated = story.status().container_statuses[0].state.terminated
    assert terminated is not None
    assert (terminated.reason, terminated.message) == ("StartError", "execute: not found")
    assert story.status().phase == "Failed"


def test_a_container_whose_post_start_hook_failed_says_so_once_it_has_ended() -> None:
    story = running(Story(with_container(a_pod("a"), "a", lifecycle=POST_START)))
    story.happens(h.PostStartReturned("a", 0, "exit 1"))
    assert waiting(story) == ("ContainerCreating", "")
    story.exits("a", 143)
    assert waiting(story) == ("PostStartHookError", "exit 1")
    story.answer_all()
    assert waiting(story) == ("ContainerCreating", ""), "the next run waits for its own hook"
    assert story.status().container_statuses[0].last_state.terminated is not None
    assert story.status().phase == "Running"
    story.happens(h.PostStartReturned("a", 1, "exit 1"))
    story.exits("a", 0)
    assert waiting(story) == ("PostStartHookError", "exit 1")
    story.passes(container_life.ERROR_SHOWN)
    assert waiting(story)[0] == "CrashLoopBackOff"


def test_a_run_that_ends_by_itself_after_its_hook_is_no_hook_error() -> None:
    story = running(Story(with_container(a_pod("a"), "a", lifecycle=POST_START)))
    story.happens(h.PostStartReturned("a", 0, ""))
    story.exits("a", 3)
    assert waiting(story) == ("", "")


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError"])
def test_what_is_refused_is_tried_again_and_does_not_hold_up_the_next(reason: str) -> None:
    story = about_to_launch(with_container(a_pod("a", "b"), "a", lifecycle=POST_START))
    story.effects = [e for e in story.effects if e != h.LaunchRun("a", 0)]
    story.happens(h.LaunchRefused("a", 0, reason, 'configmap "x" not found'))
    assert waiting(story) == (reason, 'configmap "x" not found')
    assert [e.message for e in story.effects if isinstance(e, h.Emit) and e.reason == "Failed"] == [
        'Error: configmap "x" not found'
    ]
    story.answer_all()
    assert story.life.containers["b"].state == "running"
    assert story.status().phase == "Pending", "one has never run"
    assert story.wake_at == story.now + 10
    story.passes(10)
    story.answer_all()
    assert story.life.containers["a"].attempt == 0
    assert story.life.containers["a"].state == "running"


def test_a_sandbox_that_cannot_be_made_is_tried_again_ever_more_seldom() -> None:
    story = Story(a_pod("a"))
    story.happens(h.VolumesReady())
    waits = []
    for attempt in range(4):
        assert story.take(h.MakeSandbox) == [h.MakeSandbox(attempt)]
        story.happens(h.SandboxUnmade(attempt, "no address is free"))
        assert story.wake_at is not None
        waits.append(story.wake_at - story.now)
        story.passes(story.wake_at - story.now)
    assert waits == [1, 2, 4, 8]
    text = "Failed to create pod sandbox: no address is free"
    assert [e.message for e in story.effects if isinstance(e, h.Emit)] == [text] * 4
    assert waiting(story)[0] == "ContainerCreating"
    assert condition(story, "PodReadyToStartContainers").status == "False"


def test_volumes_that_cannot_be_had_are_tried_again_ever_more_seldom() -> None:
    story = Story(a_pod("a"))
    story.decide()
    waits = []
    for _ in range(10):
        assert story.take(h.PrepareVolumes) == [h.PrepareVolumes()]
        story.happens(h.VolumesFailed("MountVolume.SetUp failed"))
        assert story.wake_at is not None
        waits.append(story.wake_at - story.now)
        story.passes(story.wake_at - story.now)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]
    story.happens(h.VolumesFailed("MountVolume.SetUp failed"))
    story.happens(h.ReferenceChanged())
    assert story.take(h.PrepareVolumes)[-1] == h.PrepareVolumes(), "what it refers to came: no waiting"


def test_in_a_pod_that_goes_nothing_waits_for_its_next_run() -> None:
    story = running(Story(a_pod("a", "b")))
    for _ in range(2):
        story.exits("a", 7)
        story.answer_all()
    assert waiting(story)[0] == "CrashLoopBackOff"
    story.pod = deleted(story.pod)
    story.decide()
    shown = story.status().container_statuses[0]
    assert shown.state.terminated is not None
    assert shown.last_state.terminated is not None
    assert shown.restart_count == 1
    assert story.status().phase == "Running"


def test_a_changed_image_has_no_back_off_from_the_one_before() -> None:
    story = running(Story(a_pod("a")))
    for _ in range(4):
        story.exits("a", 1)
        story.passes(0 if story.wake_at is None else story.wake_at - story.now)
        story.answer_all()
    story.exits("a", 1)
    assert story.wake_at == story.now + 80
    assert waiting(story)[1].startswith("back-off 1m20s restarting")
    story.pod = with_container(story.pod, "a", image="i:2")
    story.answer_all()
    assert story.life.containers["a"].state == "running"
    story.exits("a", 1)
    assert story.wake_at == story.now + 10


# ---- phase -----------------------------------------------------------------------------------------------------------


def test_a_pod_is_pending_until_every_container_was_up_once() -> None:
    """One that still waits for its postStart hook was not, since that is how it is shown."""
    story = running(Story(with_container(a_pod("a"), "a", lifecycle=POST_START)))
    assert story.life.containers["a"].state == "running"
    assert story.status().phase == "Pending"
    story.happens(h.PostStartReturned("a", 0, ""))
    assert story.status().phase == "Running"


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (143, "Failed"), (137, "Failed")])
@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
def test_a_deleted_pod_ends_as_its_exit_codes_say(policy: str, code: int, phase: str) -> None:
    story = running(Story(a_pod("a", policy=policy)))
    story.pod = deleted(story.pod)
    story.decide()
    story.exits("a", code)
    story.answer_all()
    assert story.take(h.RemovePod) == [h.RemovePod()]
    assert story.status().phase == phase


def test_a_final_phase_is_never_left() -> None:
    story = running(Story(a_pod("a", policy="Never")))
    story.exits("a", 0)
    story.answer_all()
    assert story.status().phase == "Succeeded"
    story.pod = with_spec(with_container(story.pod, "a", image="i:2"), active_deadline_seconds=1)
    story.passes(1000)
    story.answer_all()
    assert (story.status().phase, story.status().reason) == ("Succeeded", "")
    assert story.take(h.LaunchRun, h.MakeSandbox) == []


def test_a_pod_has_ended_when_its_sidecars_have() -> None:
    pod = with_container(a_pod("a", init=("side",), policy="Never"), "side", restart_policy="Always")
    story = running(Story(pod))
    story.exits("a", 0)
    assert story.status().phase == "Running"
    story.exits("side", 137)
    assert story.status().phase == "Succeeded"
    failing = running(
        Story(with_container(a_pod("a", init=("side", "i"), policy="Never"), "side", restart_policy="Always"))
    )
    failing.exits("i", 1)
    assert failing.status().phase == "Pending"
    failing.exits("side", 0)
    assert failing.status().phase == "Failed"


def test_sidecars_end_in_their_order_also_when_only_the_sandbox_is_replaced() -> None:
    pod = with_container(a_pod("a", init=("side",)), "side", restart_policy="Always")
    story = running(Story(pod))
    story.effects.clear()
    story.fact(facts.SandboxEnded(0, story.now))
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    story.exits("a", 143)
    assert story.take(h.SignalRun) == [h.SignalRun("side", 0)]
    story.exits("side", 143)
    story.answer_all()
    assert {c.state for c in story.life.containers.values()} == {"running"}


# ---- conditions ------------------------------------------------------------------------------------------------------


def test_a_conditions_time_changes_with_its_status_alone() -> None:
    story = Story(with_container(a_pod("a"), "a", readiness_probe=PROBE))
    born_at = condition(story, "Ready").last_transition_time
    story.pod = replace(story.pod, status=story.status())
    story.passes(60)
    running(story)
    ready, scheduled = condition(story, "Ready"), condition(story, "PodScheduled")
    assert (ready.status, ready.last_transition_time) == ("False", born_at)
    story.pod = replace(story.pod, status=story.status())
    story.passes(60)
    story.happens(h.ProbeVerdict("a", 0, "readiness", True))
    ready = condition(story, "Ready")
    assert (ready.status, ready.last_transition_time) == ("True", "1970-01-01T00:18:40Z")
    assert condition(story, "PodScheduled").last_transition_time == scheduled.last_transition_time


def test_status_and_conditions_say_which_generation_they_are_about() -> None:
    story = running(Story(a_pod("a")))
    story.pod = replace(story.pod, metadata=replace(story.pod.metadata, generation=5))
    shown = story.status()
    assert {shown.observed_generation, *(c.observed_generation for c in shown.conditions)} == {5}


@pytest.mark.parametrize(("code", "reason"), [(0, "PodCompleted"), (1, "PodFailed")])
def test_the_conditions_of_a_pod_that_has_ended(code: int, reason: str) -> None:
    story = running(Story(a_pod("a", policy="Never")))
    story.exits("a", code)
    story.answer_all()
    shown = [(c.type, c.status, c.reason) for c in story.status().conditions]
    assert shown == [
        ("PodReadyToStartContainers", "False", ""),
        ("Initialized", "True", reason if code == 0 else ""),
        ("Ready", "False", reason),
        ("ContainersReady", "False", reason),
        ("PodScheduled", "True", ""),
    ]


def test_containers_that_are_not_ready_are_named_and_gates_come_after_them() -> None:
    pod = with_container(a_pod("b", "a", init=("side",)), "side", restart_policy="Always", readiness_probe=PROBE)
    pod = with_spec(pod, readiness_gates=(objects.PodReadinessGate(condition_type="example.com/ok"),))
    story = running(Story(with_container(pod, "b", readiness_probe=PROBE)))
    ready = condition(story, "Ready")
    assert (ready.reason, ready.message) == ("ContainersNotReady", "containers with unready status: [side b]")
    for name in ("side", "b"):
        story.happens(h.ProbeVerdict(name, 0, "readiness", True))
    assert condition(story, "ContainersReady").status == "True"
    assert condition(story, "Ready").reason == "ReadinessGatesNotReady"


def test_what_the_eviction_of_a_pod_says() -> None:
    story = running(Story(a_pod("a")))
    story.happens(h.Evicted("The node was low on resource: memory."))
    shown = story.status()
    assert (shown.phase, shown.reason) == ("Running", "")
    disrupted = shown.conditions[0]
    assert (disrupted.type, disrupted.status, disrupted.reason) == ("DisruptionTarget", "True", "TerminationByKubelet")
    story.passes(1)
    story.passes(1)
    assert story.take(h.KillRun) == [h.KillRun("a", 0)]
    story.exits("a", 137)
    shown = story.status()
    assert (shown.phase, shown.reason, shown.message) == ("Failed", "Evicted", "The node was low on resource: memory.")


def test_a_disruption_that_whoever_deletes_the_pod_has_set_stays() -> None:
    shown = running(Story(a_pod("a"))).status()
    disruption = objects.PodCondition(type="DisruptionTarget", status="True", reason="DeletionByTaintManager")
    stored = replace(shown, conditions=(*shown.conditions, disruption))
    assert disruption in status.with_conditions_of_others(shown, stored).conditions
    assert sorted(each.type for each in status.with_conditions_of_others(stored, stored).conditions) == sorted(
        each.type for each in stored.conditions
    )


# ---- flags -----------------------------------------------------------------------------------------------------------


def test_ready_and_started_of_every_kind_of_container() -> None:
    pod = with_container(a_pod("a", init=("side", "setup")), "side", restart_policy="Always", startup_probe=PROBE)
    story = running(Story(with_container(pod, "a", startup_probe=PROBE, readiness_probe=PROBE)))

    def flags(name: str) -> tuple[bool, bool | None]:
        status = story.status()
        one = next(s for s in (*status.init_container_statuses, *status.container_statuses) if s.name == name)
        return one.ready, one.started

    assert flags("side") == (False, False), "runs, but its startup probe has not succeeded"
    story.happens(h.ProbeVerdict("side", 0, "startup", True))
    story.answer_all()
    assert flags("side") == (True, True)
    assert flags("setup") == (False, True), "a running plain init container is started and never ready"
    assert flags("a") == (False, False)
    story.exits("setup", 0)
    story.answer_all()
    assert flags("setup") == (True, False)
    assert flags("a") == (False, False)
    story.happens(h.ProbeVerdict("a", 0, "startup", True))
    assert flags("a") == (False, True)
    story.happens(h.ProbeVerdict("a", 0, "readiness", True))
    assert flags("a") == (True, True)
    story.exits("a", 1)
    assert flags("a") == (False, False)


def test_a_deadline_that_is_lowered_below_what_has_passed_ends_the_pod_at_once() -> None:
    story = running(Story(with_spec(a_pod("a"), active_deadline_seconds=600)))
    story.passes(100)
    story.pod = with_spec(story.pod, active_deadline_seconds=50)
    story.happens(h.Synced())
    assert story.life.reason == "DeadlineExceeded"
    assert pod_life.grace_of(story.pod) == 30
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
