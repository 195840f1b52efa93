"""The life of a pod, decided without clock, socket or container: short stories."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import container_life, lives, pod_life, pod_steps
from podrun.kubelet import happenings as h
from podrun.shim import facts
from tests.fakes.pod_story import HOOK, PROBE, Story, a_pod, deleted, running, with_container, with_spec


def test_a_pod_goes_from_pending_to_running_and_ready() -> None:
    story = Story(a_pod("a", "b"))
    first = story.status()
    assert first.phase == "Pending"
    assert [s.state.waiting.reason for s in first.container_statuses if s.state.waiting] == ["ContainerCreating"] * 2
    running(story)
    shown = story.status()
    assert shown.phase == "Running"
    assert shown.pod_ip == "10.0.0.2"
    assert [c.status for c in shown.conditions] == ["True"] * 5
    assert story.events() == ["Created", "Started", "Created", "Started"]


def test_restarts_wait_as_the_kubelet_does_and_start_afresh_after_ten_quiet_minutes() -> None:
    story = running(Story(a_pod("a")))
    waits = []
    for _ in range(9):
        story.exits("a", 1)
        assert story.decide() == [] or story.wake_at is None
        waits.append(0.0 if story.wake_at is None else story.wake_at - story.now)
        story.now = story.wake_at or story.now
        story.answer_all()
        assert story.life.containers["a"].state == "running"
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    story.passes(601)
    story.exits("a", 1)
    assert story.wake_at is None


def test_a_launch_that_the_end_of_the_sandbox_forestalled_is_not_waited_for() -> None:
    story = running(Story(a_pod("a")))
    story.exits("a", 137)
    story.decide()
    (asked,) = (effect for effect in story.effects if isinstance(effect, h.EnsureImage))
    story.answer(asked)
    story.decide()
    story.effects.clear()
    story.fact(facts.SandboxEnded(0, story.now))
    story.happens(h.LaunchRefused("a", 1, "CreateContainerError", "there is no sandbox"))
    story.answer_all()
    assert story.life.containers["a"].state == "running"
    assert story.life.containers["a"].attempt == 1
    assert story.events()[-3:] == ["SandboxChanged", "Created", "Started"]


def test_a_crash_loop_is_shown_in_kubernetes_words() -> None:
    story = running(Story(a_pod("a")))
    for _ in range(2):
        story.exits("a", 7)
        story.answer_all()
    shown = story.status().container_statuses[0]
    assert shown.state.waiting is not None
    assert shown.state.waiting.reason == "CrashLoopBackOff"
    assert shown.state.waiting.message == "back-off 10s restarting failed container=a pod=web_default(u-1)"
    assert shown.last_state.terminated is not None
    assert shown.last_state.terminated.exit_code == 7
    assert shown.restart_count == 1
    assert story.status().phase == "Running"
    assert story.events().count("BackOff") == 1


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 3), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 3), "Running"),
        ("Always", (0, 0), "Running"),
    ],
)
def test_the_restart_policy_decides_how_a_pod_ends(policy: str, codes: tuple[int, int], phase: str) -> None:
    story = running(Story(a_pod("a", "b", policy=policy)))
    story.exits("a", codes[0])
    story.exits("b", codes[1])
    assert story.status().phase == phase
    story.answer_all()
    assert (story.life.sandbox.state == "absent") == (phase in ("Succeeded", "Failed"))
    assert story.status().phase == phase


def test_an_oom_kill_has_its_own_reason() -> None:
    story = running(Story(a_pod("a", policy="Never")))
    story.exits("a", 137, oom=True)
    terminated = story.status().container_statuses[0].state.terminated
    assert terminated is not None
    assert (terminated.reason, terminated.exit_code) == ("OOMKilled", 137)


def test_init_containers_run_one_after_another_before_the_others() -> None:
    story = Story(a_pod("a", init=("first", "second")))
    running(story)
    assert [name for name, c in story.life.containers.items() if c.state == "running"] == ["first"]
    assert story.status().phase == "Pending"
    story.exits("first", 0)
    story.answer_all()
    assert [name for name, c in story.life.containers.items() if c.state == "running"] == ["second"]
    story.exits("second", 0)
    story.answer_all()
    assert story.life.containers["a"].state == "running"
    assert story.status().phase == "Running"


def test_an_init_container_that_fails_for_good_fails_the_pod() -> None:
    story = running(Story(a_pod("a", init=("first",), policy="Never")))
    story.exits("first", 2)
    story.answer_all()
    assert story.status().phase == "Failed"
    assert not story.life.containers["a"].has_run


def test_deletion_signals_then_kills_then_removes() -> None:
    story = running(Story(a_pod("a", "b")))
    story.pod = deleted(story.pod, grace=5)
    story.effects.clear()
    story.decide()
    assert [e.container for e in story.take(h.SignalRun) if isinstance(e, h.SignalRun)] == ["a", "b"]
    assert story.events() == ["Killing", "Killing"]
    story.exits("a", 0)
    story.passes(4.9)
    assert story.take(h.KillRun) == []
    story.passes(0.2)
    assert story.take(h.KillRun) == [h.KillRun("b", 0)]
    story.exits("b", 137)
    story.answer_all()
    assert story.take(h.RemovePod) == [h.RemovePod()]
    assert story.status().phase == "Failed"
    story.passes(1000)
    assert story.take(h.RemovePod) == []


def test_a_second_delete_may_shorten_the_grace_period_but_not_below_two_seconds() -> None:
    story = running(Story(a_pod("a")))
    story.pod = deleted(story.pod, grace=600)
    story.decide()
    story.passes(1)
    story.pod = deleted(story.pod, grace=0)
    story.decide()
    assert story.take(h.KillRun) == []
    assert story.wake_at == 1002.0
    story.passes(1)
    assert story.take(h.KillRun) == [h.KillRun("a", 0)]


def test_a_pod_deleted_before_it_began_is_simply_removed() -> None:
    story = Story(deleted(a_pod("a")))
    story.decide()
    assert story.take(h.RemovePod) == [h.RemovePod()]
    assert story.take(h.MakeSandbox, h.PrepareVolumes) == []


def test_when_the_shim_dies_the_pod_gets_a_new_sandbox_and_its_runs_are_unknown() -> None:
    story = running(Story(a_pod("a", "b")))
    story.exits("b", 3)  # known before the shim died, still in its journal
    story.happens(h.ShimLost())
    lost = story.life.containers["a"].run
    known = story.life.containers["b"].run
    assert lost is not None
    assert (lost.code, lost.reason) == (137, "ContainerStatusUnknown")
    assert known is not None
    assert (known.code, known.reason) == (3, "Error")
    story.answer_all()
    assert "SandboxChanged" in story.events()
    assert story.life.sandbox.attempt == 1
    assert story.life.containers["a"].state == "running"
    assert story.life.containers["a"].attempt == 1


def test_under_never_a_lost_sandbox_is_not_made_again() -> None:
    story = running(Story(a_pod("a", policy="Never")))
    story.happens(h.ShimLost())
    story.answer_all()
    assert story.status().phase == "Failed"
    assert story.take(h.MakeSandbox) == []


def test_when_pause_dies_what_runs_is_stopped_before_the_new_sandbox() -> None:
    story = running(Story(a_pod("a", init=("i",))))
    story.exits("i", 0)
    story.answer_all()
    story.effects.clear()
    story.fact(facts.SandboxEnded(0, story.now))
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    assert story.take(h.LeaveSandbox) == []
    story.exits("a", 143)
    story.answer_all()
    assert story.life.containers["i"].attempt == 1, "init containers run again in the new sandbox"
    assert story.life.containers["i"].state == "running"


def test_an_unknown_image_waits_longer_each_time() -> None:
    story = Story(a_pod("a"))
    story.decide()
    story.take(h.PrepareVolumes)
    story.happens(h.VolumesReady())
    story.happens(h.SandboxReady(0, ("10.0.0.2",)))
    waits = []
    for _ in range(3):
        assert story.take(h.EnsureImage) == [h.EnsureImage("a")]
        story.happens(h.ImageFailed("a", "ErrImagePull", "nowhere"))
        assert waiting_reason(story) == "ErrImagePull"
        failed_at = story.now
        story.passes(container_life.ERROR_SHOWN)
        assert waiting_reason(story) == "ImagePullBackOff"
        assert story.wake_at is not None
        waits.append(story.wake_at - failed_at)
        story.passes(story.wake_at - story.now)
    assert waits == [10, 20, 40]
    assert "BackOff" in story.events()


def waiting_reason(story: Story) -> str:
    waiting = story.status().container_statuses[0].state.waiting
    assert waiting is not None
    return waiting.reason


def waiting_for_its_image() -> Story:
    story = Story(a_pod("a"))
    story.decide()
    story.happens(h.VolumesReady())
    story.happens(h.SandboxReady(0, ("10.0.0.2",)))
    assert story.take(h.EnsureImage) == [h.EnsureImage("a")]
    return story


def test_another_image_is_pulled_at_once_without_the_back_off_of_the_first() -> None:
    story = waiting_for_its_image()
    story.happens(h.ImageFailed("a", "ErrImagePull", "nowhere"))
    story.passes(container_life.ERROR_SHOWN)
    (container,) = story.pod.spec.containers
    story.pod = replace(story.pod, spec=replace(story.pod.spec, containers=(replace(container, image="right:1"),)))
    story.happens(h.Synced())
    assert story.take(h.EnsureImage) == [h.EnsureImage("a")]
    assert waiting_reason(story) == "ContainerCreating"
    story.happens(h.ImageFailed("a", "ErrImagePull", "nowhere"))
    assert story.life.containers["a"].not_before - story.now == 10


def test_a_policy_of_never_is_looked_at_again_every_ten_seconds() -> None:
    story = waiting_for_its_image()
    for _ in range(3):
        story.happens(h.ImageFailed("a", "ErrImageNeverPull", "not there"))
        assert story.wake_at == story.now + 10
        story.passes(10)
        assert story.take(h.EnsureImage) == [h.EnsureImage("a")]
    assert "BackOff" not in story.events()


def test_an_image_that_somebody_brings_ends_the_back_off() -> None:
    story = waiting_for_its_image()
    story.happens(h.ImageFailed("a", "ErrImagePull", "nowhere"))
    story.happens(h.ImageCame(("docker.io/library/other:1",)))
    assert story.take(h.EnsureImage) == []
    story.happens(h.ImageCame(("docker.io/library/i:1",)))
    assert story.take(h.EnsureImage) == [h.EnsureImage("a")]


def test_a_pod_that_is_deleted_does_not_wait_for_its_pull() -> None:
    story = waiting_for_its_image()
    story.pod = deleted(story.pod)
    story.happens(h.Synced())
    assert story.take(h.AbandonImage) == [h.AbandonImage("a")]
    story.happens(h.SandboxLeft())
    assert story.take(h.RemovePod) == [h.RemovePod()]


def test_a_start_that_fails_counts_as_a_run_with_exit_code_128() -> None:
    story = Story(a_pod("a", policy="Never"))
    story.decide()
    story.happens(h.VolumesReady())
    story.happens(h.SandboxReady(0, ()))
    story.happens(h.ImageReady("a", "sha256:1"))
    story.fact(facts.StartFailed("a", 0, "a-0", "execute", 2, 'exec: "nope": not found', story.now))
    shown = story.status()
    assert shown.phase == "Failed"
    terminated = shown.container_statuses[0].state.terminated
    assert terminated is not None
    assert (terminated.reason, terminated.exit_code) == ("StartError", 128)
    assert terminated.started_at == "1970-01-01T00:00:00Z"


def test_a_new_kubelet_asks_again_for_what_was_on_its_way() -> None:
    story = Story(a_pod("a"))
    story.decide()
    story.happens(h.VolumesReady())
    story.happens(h.SandboxReady(0, ()))
    story.happens(h.ImageReady("a", "sha256:1"))
    story.effects.clear()
    story.life = lives.decode(lives.encode(story.life))
    story.happens(h.Resumed(connected=True))
    assert pod_life.unfinished(story.life) == (h.LaunchRun("a", 0),)
    story.fact(facts.Started("a", 0, "a-0", 1, story.now))
    assert pod_life.unfinished(story.life) == ()


def test_a_sandbox_that_was_being_made_when_kubelet_and_shim_died_is_made_as_another() -> None:
    story = Story(a_pod("a"))
    story.decide()
    story.happens(h.VolumesReady())
    assert story.take(h.MakeSandbox) == [h.MakeSandbox(0)]
    story.happens(h.Resumed(connected=False))
    story.happens(h.ShimLost())
    story.happens(h.VolumesReady())
    assert story.take(h.MakeSandbox) == [h.MakeSandbox(1)]


def test_a_sandbox_whose_pause_died_while_its_network_was_made_is_made_again() -> None:
    story = Story(a_pod("a"))
    story.decide()
    story.happens(h.VolumesReady())
    assert story.take(h.MakeSandbox) == [h.MakeSandbox(0)]
    story.fact(facts.SandboxEnded(0, story.now))
    story.happens(h.SandboxReady(0, ("10.0.0.2",)))
    story.answer_all()
    assert (story.life.sandbox.state, story.life.sandbox.attempt) == ("ready", 1)
    assert story.life.containers["a"].state == "running"


@pytest.mark.parametrize("shim_dies", [False, True])
def test_a_sandbox_that_could_not_be_made_is_told_and_tried_again_later(shim_dies: bool) -> None:
    """Who fails to make it takes pause away, too: that is no change of a sandbox that was there."""
    story = Story(a_pod("a", policy="Never"))
    story.decide()
    story.happens(h.VolumesReady())
    for attempt in range(3):
        assert story.take(h.MakeSandbox) == [h.MakeSandbox(attempt)]
        if shim_dies:
            story.happens(h.ShimLost())
        else:
            story.fact(facts.SandboxEnded(attempt, story.now))
        story.happens(h.SandboxUnmade(attempt, "no address is free"))
        (emitted,) = story.take(h.Emit)
        assert isinstance(emitted, h.Emit)
        assert emitted.reason == "FailedCreatePodSandBox"
        assert emitted.message == "Failed to create pod sandbox: no address is free"
        assert story.take(h.MakeSandbox, h.LeaveSandbox) == []
        assert not story.life.final
        story.passes(2.0**attempt)


@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)])
def test_who_ends_well_because_its_sandbox_ended_runs_again(policy: str, again: bool) -> None:
    story = running(Story(a_pod("a", policy=policy)))
    story.fact(facts.SandboxEnded(0, story.now))
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    story.exits("a", 0)
    story.answer_all()
    assert (story.life.containers["a"].state == "running") is again
    assert story.status().phase == ("Running" if again else "Succeeded")


def learns(story: Story, *facts_: facts.Fact) -> None:
    """Nothing is decided in between, as when a new kubelet catches up with what happened without it."""
    for fact in facts_:
        story.facts += 1
        numbered = facts.Numbered(story.facts, fact)
        story.life, _ = pod_life.observe(story.pod, story.life, numbered, story.now)


def ended(container: str, attempt: int, code: int) -> facts.Exited:
    return facts.Exited(container, attempt, f"{container}-{attempt}", code, 0, False, 1000.0)


@pytest.mark.parametrize(("policy", "again"), [("OnFailure", True), ("Never", False)])
def test_who_ended_well_after_its_sandbox_runs_again_although_both_are_heard_at_once(policy: str, again: bool) -> None:
    story = running(Story(a_pod("a", policy=policy)))
    learns(story, facts.SandboxEnded(0, story.now), ended("a", 0, 0))
    story.answer_all()
    assert (story.life.containers["a"].state == "running") is again


def test_an_init_container_that_ran_unknown_to_the_store_is_not_run_once_more() -> None:
    """It was to run in the new sandbox, and did: the record is from before that."""
    story = running(Story(a_pod("a", init=("i",))))
    story.exits("i", 0)
    story.answer_all()
    story.happens(h.ShimLost())
    story.answer(*story.take(h.LeaveSandbox))
    story.answer(*story.take(h.MakeSandbox))
    story.effects.clear()
    assert story.life.containers["i"].rerun
    learns(story, facts.Started("i", 1, "i-1", 1, story.now), ended("i", 1, 0))
    story.answer_all()
    assert story.life.containers["i"].attempt == 1
    assert story.life.containers["a"].state == "running"


def test_a_run_that_was_lost_unknown_to_the_store_is_not_asked_for_again() -> None:
    """Its number is taken: another one comes after it."""
    story = running(Story(a_pod("a")))
    learns(story, ended("a", 0, 0))
    learns(story, facts.Exited("a", 1, "a-1", 137, 0, False, story.now, lost=True))
    run = story.life.containers["a"].run
    assert run is not None
    assert (run.attempt, run.reason) == (1, "ContainerStatusUnknown")
    story.passes(600.0)
    story.answer_all()
    assert (story.life.containers["a"].state, story.life.containers["a"].attempt) == ("running", 2)


def test_a_clock_that_is_set_back_lengthens_no_wait() -> None:
    story = running(Story(a_pod("a")))
    for _ in range(2):
        story.exits("a", 1)
        story.answer_all()
    story.passes(-3600)
    story.answer_all()
    assert story.life.containers["a"].state == "running"
    story.pod = deleted(story.pod, grace=5)
    story.decide()
    story.passes(-3600)
    story.effects.clear()
    story.passes(5)
    assert [effect.container for effect in story.take(h.KillRun) if isinstance(effect, h.KillRun)] == ["a"]


def test_a_repeated_fact_changes_nothing() -> None:
    story = running(Story(a_pod("a")))
    before = story.life
    story.happens(facts.Numbered(1, facts.Started("a", 0, "a-0", 1, story.now)))
    assert story.life == before


def running_names(story: Story) -> list[str]:
    return [name for name, c in story.life.containers.items() if c.state == "running"]


def test_a_sidecar_starts_in_its_turn_and_runs_beside_the_others() -> None:
    pod = with_container(a_pod("a", init=("side", "setup")), "side", restart_policy="Always")
    story = running(Story(pod))
    assert running_names(story) == ["side", "setup"]
    story.exits("setup", 0)
    story.answer_all()
    assert running_names(story) == ["side", "a"]
    story.exits("side", 0)
    story.answer_all()
    assert running_names(story) == ["side", "a"], "a sidecar is restarted whatever its exit code"


def test_a_sidecar_with_a_startup_probe_holds_back_what_comes_after_it() -> None:
    pod = with_container(a_pod("a", init=("side",)), "side", restart_policy="Always", startup_probe=PROBE)
    story = running(Story(pod))
    assert running_names(story) == ["side"]
    assert story.status().phase == "Pending"
    assert story.status().init_container_statuses[0].started is False
    story.happens(h.ProbeVerdict("side", 0, "startup", True))
    story.answer_all()
    assert running_names(story) == ["side", "a"]
    assert story.status().phase == "Running"


def test_sidecars_end_after_the_others_in_reverse_order_and_do_not_count() -> None:
    pod = a_pod("a", init=("first", "second"), policy="Never")
    for name in ("first", "second"):
        pod = with_container(pod, name, restart_policy="Always")
    story = running(Story(pod))
    story.effects.clear()
    story.exits("a", 0)
    assert story.take(h.SignalRun) == [h.SignalRun("second", 0)]
    story.exits("second", 137)
    assert story.take(h.SignalRun) == [h.SignalRun("first", 0)]
    story.exits("first", 1)
    story.answer_all()
    assert story.status().phase == "Succeeded"


def test_sidecars_get_their_signal_at_once_when_the_grace_period_is_over() -> None:
    pod = with_container(a_pod("a", init=("side",)), "side", restart_policy="Always")
    story = running(Story(pod))
    story.pod = deleted(story.pod, grace=10)
    story.effects.clear()
    story.decide()
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    story.passes(10)
    assert story.take(h.SignalRun, h.KillRun) == [h.SignalRun("side", 0), h.KillRun("a", 0)]
    story.passes(2)
    assert story.take(h.KillRun) == [h.KillRun("side", 0)]


def test_what_a_sidecar_waits_for_its_turn_is_taken_off_its_grace_period_in_whole_seconds() -> None:
    pod = with_container(a_pod("a", init=("side",)), "side", restart_policy="Always")
    story = running(Story(pod))
    story.pod = deleted(story.pod, grace=10)
    story.decide()
    story.now += 4.5
    story.exits("a", 0)
    assert story.take(h.SignalRun)[-1] == h.SignalRun("side", 0)
    assert story.wake_at == story.now + 6
    story.passes(6)
    assert story.take(h.KillRun) == [h.KillRun("side", 0)]


def test_pre_stop_runs_before_the_signal_and_out_of_the_grace_period() -> None:
    pod = with_container(a_pod("a"), "a", lifecycle=objects.Lifecycle(pre_stop=HOOK))
    story = running(Story(pod))
    story.pod = deleted(story.pod, grace=10)
    story.effects.clear()
    story.decide()
    assert story.take(h.RunPreStop, h.SignalRun) == [h.RunPreStop("a", 0)]
    story.now += 4.5
    story.happens(h.PreStopReturned("a", 0, ""))
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    assert story.wake_at == story.now + 6, "whole seconds of the hook are taken off"


def test_a_pre_stop_hook_that_never_returns_ends_with_the_grace_period() -> None:
    pod = with_container(a_pod("a"), "a", lifecycle=objects.Lifecycle(pre_stop=HOOK))
    story = running(Story(pod))
    story.pod = deleted(story.pod, grace=10)
    story.decide()
    story.effects.clear()
    story.passes(10)
    assert story.take(h.SignalRun, h.KillRun) == [h.SignalRun("a", 0)]
    story.passes(2)
    assert story.take(h.KillRun) == [h.KillRun("a", 0)]


def test_without_grace_there_is_no_time_for_a_hook() -> None:
    pod = with_container(a_pod("a", grace=0), "a", lifecycle=objects.Lifecycle(pre_stop=HOOK))
    story = running(Story(pod))
    story.pod = deleted(story.pod, grace=0)
    story.effects.clear()
    story.decide()
    assert story.take(h.RunPreStop, h.SignalRun) == [h.SignalRun("a", 0)]


def test_post_start_holds_back_the_next_container_and_the_state_running() -> None:
    pod = with_container(a_pod("a", "b"), "a", lifecycle=objects.Lifecycle(post_start=HOOK))
    story = running(Story(pod))
    assert running_names(story) == ["a"]
    assert story.take(h.RunPostStart) == [h.RunPostStart("a", 0)]
    waiting = story.status().container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "ContainerCreating"
    story.happens(h.PostStartReturned("a", 0, ""))
    story.answer_all()
    assert running_names(story) == ["a", "b"]
    assert story.status().phase == "Running"


def test_a_failed_post_start_hook_kills_its_container() -> None:
    pod = with_container(a_pod("a", policy="Never"), "a", lifecycle=objects.Lifecycle(post_start=HOOK))
    story = running(Story(pod))
    story.effects.clear()
    story.happens(h.PostStartReturned("a", 0, "exit 1"))
    assert story.events() == ["FailedPostStartHook", "Killing"]
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    story.exits("a", 143)
    story.answer_all()
    assert story.status().phase == "Failed"


@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)])
def test_a_failed_liveness_probe_ends_the_run_with_the_probes_own_grace(policy: str, again: bool) -> None:
    probe = replace(PROBE, termination_grace_period_seconds=5)
    story = running(Story(with_container(a_pod("a", policy=policy), "a", liveness_probe=probe)))
    story.effects.clear()
    story.happens(h.ProbeVerdict("a", 0, "liveness", False))
    killing = [e.message for e in story.effects if isinstance(e, h.Emit)]
    assert killing == ["Container a failed liveness probe" + (", will be restarted" if again else "")]
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    story.passes(5)
    assert story.take(h.KillRun) == [h.KillRun("a", 0)]
    story.exits("a", 0)
    story.answer_all()
    assert (story.life.containers["a"].state == "running") is again


def test_readiness_decides_ready_and_nothing_else() -> None:
    story = running(Story(with_container(a_pod("a"), "a", readiness_probe=PROBE)))
    assert [c.status for c in story.status().conditions] == ["True", "True", "False", "False", "True"]
    story.happens(h.ProbeVerdict("a", 0, "readiness", True))
    assert story.status().container_statuses[0].ready
    story.happens(h.ProbeVerdict("a", 0, "readiness", False))
    assert not story.status().container_statuses[0].ready
    assert story.life.containers["a"].state == "running"
    message = story.status().conditions[2].message
    assert message == "containers with unready status: [a]"


def test_a_verdict_about_an_earlier_run_means_nothing() -> None:
    story = running(Story(with_container(a_pod("a"), "a", liveness_probe=PROBE)))
    story.exits("a", 1)
    story.answer_all()
    before = story.life
    story.happens(h.ProbeVerdict("a", 0, "liveness", False))
    assert story.life == before


def test_probes_go_once_the_post_start_hook_has_returned_and_readiness_goes_on_to_the_end() -> None:
    probes = {"liveness_probe": PROBE, "readiness_probe": PROBE, "startup_probe": PROBE}
    story = Story(with_container(a_pod("a"), "a", lifecycle=objects.Lifecycle(post_start=HOOK), **probes))

    def going() -> list[str]:
        return [one.kind for one in pod_steps.probes_wanted(story.pod, story.life, "192.0.2.10")]

    running(story)
    assert story.life.containers["a"].state == "running"
    assert going() == []
    story.happens(h.PostStartReturned("a", 0, ""))
    assert going() == ["startup"]
    story.happens(h.ProbeVerdict("a", 0, "startup", True))
    assert going() == ["liveness", "readiness"]
    story.pod = deleted(story.pod)
    story.decide()
    assert going() == ["readiness"]
    story.exits("a", 0)
    assert going() == []


def test_a_readiness_gate_waits_for_somebody_elses_condition() -> None:
    pod = with_spec(a_pod("a"), readiness_gates=(objects.PodReadinessGate(condition_type="example.com/ok"),))
    story = running(Story(pod))
    ready = next(c for c in story.status().conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == 'corresponding condition of pod readiness gate "example.com/ok" does not exist.'
    given = objects.PodCondition(type="example.com/ok", status="True")
    story.pod = replace(story.pod, status=objects.PodStatus(conditions=(given,)))
    shown = story.status().conditions
    assert shown[0] == given
    assert next(c for c in shown if c.type == "Ready").status == "True"


def test_a_pod_over_its_deadline_fails() -> None:
    story = running(Story(with_spec(a_pod("a"), active_deadline_seconds=60)))
    assert story.wake_at == 1060.0
    story.effects.clear()
    story.passes(60)
    assert "DeadlineExceeded" in story.events()
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    shown = story.status()
    assert (shown.phase, shown.reason) == ("Running", ""), "what it holds is not free yet"
    story.exits("a", 0)
    shown = story.status()
    assert (shown.phase, shown.reason) == ("Failed", "DeadlineExceeded")
    story.answer_all()
    assert story.life.sandbox.state == "absent"
    assert story.status().phase == "Failed"


def test_a_changed_image_replaces_the_container_under_any_policy() -> None:
    story = running(Story(a_pod("a", policy="Never")))
    story.effects.clear()
    story.pod = with_container(story.pod, "a", image="i:2")
    story.decide()
    assert story.take(h.SignalRun) == [h.SignalRun("a", 0)]
    assert [e.message for e in story.take(h.Emit) if isinstance(e, h.Emit)] == [
        "Container a definition changed, will be restarted"
    ]
    story.exits("a", 143)
    story.answer_all()
    assert running_names(story) == ["a"]
    assert story.life.containers["a"].image == "i:2"


def test_a_containers_own_rules_come_before_the_policies() -> None:
    rule = objects.ContainerRestartRule(
        action="Restart", exit_codes=objects.ContainerRestartRuleOnExitCodes(operator="In", values=(42,))
    )
    pod = with_container(a_pod("a", policy="Never"), "a", restart_policy="Never", restart_policy_rules=(rule,))
    story = running(Story(pod))
    story.exits("a", 42)
    story.answer_all()
    assert running_names(story) == ["a"]
    story.exits("a", 1)
    story.answer_all()
    assert story.status().phase == "Failed"
