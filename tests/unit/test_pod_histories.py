"""Generated histories of a pod: whatever happens in whatever order, what must never be never is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from podrun.api import objects
from podrun.kubelet import happenings as h
from podrun.kubelet import lives, pod_life, resizing
from podrun.shim import facts
from tests.fakes.pod_story import HOOK, PROBE, Story, a_pod, deleted, with_container, with_spec

ASKED = (h.PrepareVolumes, h.MakeSandbox, h.EnsureImage, h.LaunchRun, h.WriteResources, h.LeaveSandbox)
REGULAR, PLAIN_INIT, SIDECAR, HELPER = ("a", "b"), "i", "side", "helper"

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("exit"), st.sampled_from([SIDECAR, PLAIN_INIT, HELPER, *REGULAR]), st.sampled_from([0, 1, 137])
        ),
        st.tuples(st.just("probe"), st.sampled_from(["liveness", "startup", "readiness"]), st.booleans()),
        st.tuples(st.just("hook"), st.sampled_from(["", "failed"])),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 40.0, 700.0])),
        st.tuples(st.just("clock"), st.sampled_from([-7200.0, -30.0, 7200.0])),
        st.tuples(st.just("image"), st.sampled_from(REGULAR)),
        st.tuples(st.just("deadline"), st.sampled_from([1, 100])),
        st.tuples(st.just("debug")),
        st.tuples(st.just("resize"), st.sampled_from([SIDECAR, *REGULAR]), st.sampled_from(["1", "2", "3"])),
        st.tuples(st.just("judge"), st.sampled_from(["", "Deferred", "Infeasible"])),
        st.tuples(st.just("evict")),
        st.tuples(st.just("reference")),
        st.tuples(st.just("answer")),
        st.tuples(st.just("answer one")),
        st.tuples(st.just("refuse")),
        st.tuples(st.just("shim dies")),
        st.tuples(st.just("pause dies")),
        st.tuples(st.just("kubelet dies")),
        st.tuples(st.just("delete"), st.sampled_from([0, 5, 30])),
    ),
    max_size=25,
)


@dataclass
class History:
    """One pod on a machine that keeps a book of its own about what runs, and looks at every single thing it is told."""

    story: Story
    alive: dict[str, int] = field(default_factory=dict)  # the attempt of each container that the machine runs
    asked: set[tuple[str, int]] = field(default_factory=set)
    launched: set[tuple[str, int]] = field(default_factory=set)
    images: dict[str, str] = field(default_factory=dict)  # with which each was launched last
    ended_sandboxes: set[int] = field(default_factory=set)  # by attempt
    versions: Iterator[int] = field(default_factory=itertools.count)  # of images, each of them new
    initialized: bool = False  # the plain init container has succeeded in this sandbox

    @property
    def life(self) -> lives.PodLife:
        return self.story.life

    def take_step(self, step: tuple[object, ...]) -> None:
        story = self.story
        match step:
            case ("exit", str(name), int(code)) if self.is_running(name):
                self.exit(name, code)
            case ("probe", str(kind), bool(success)):
                story.happens(h.ProbeVerdict("a", self.life.containers["a"].attempt, kind, success))
            case ("hook", str(failure)):
                self.return_hooks(failure)
            case ("wait", float(seconds)):
                story.passes(seconds)
            case ("clock", float(seconds)):
                story.now += seconds
            case ("image", str(name)):
                story.pod = with_container(story.pod, name, image=f"i:new-{next(self.versions)}")
            case ("deadline", int(seconds)):
                story.pod = with_spec(story.pod, active_deadline_seconds=seconds)
            case ("debug",) if not story.pod.spec.ephemeral_containers:
                helper = objects.EphemeralContainer(name=HELPER, image="i:1")
                story.pod = with_spec(story.pod, ephemeral_containers=(helper,))
                story.happens(h.Synced())
            case ("resize", str(name), str(cpu)):
                story.pod = with_container(story.pod, name, resources=resources(cpu))
            case ("judge", str(reason)) if resizing.wants_verdict(story.pod, self.life):
                story.happens(h.ResizeJudged(1, resizing.wished(story.pod.spec), reason, "no room" if reason else ""))
            case ("evict",):
                story.happens(h.Evicted("no room"))
            case ("reference",):
                story.happens(h.ReferenceChanged())
            case ("answer",):
                self.answer_all()
            case ("answer one",):
                self.answer_one()
            case ("refuse",):
                self.refuse_one()
            case ("shim dies",) if self.life.sandbox.state == "ready":
                story.effects = [e for e in story.effects if not isinstance(e, h.LaunchRun)]
                self.alive.clear()
                self.initialized = False
                story.happens(h.ShimLost())
            case ("pause dies",) if self.life.sandbox.state in ("making", "ready"):
                self.initialized = False
                self.ended_sandboxes.add(self.life.sandbox.attempt)
                story.fact(facts.SandboxEnded(self.life.sandbox.attempt, story.now))
            case ("kubelet dies",):
                self.kubelet_dies()
            case ("delete", int(grace)) if story.pod.metadata.deletion_timestamp is None:
                story.pod = deleted(story.pod, grace)

    def is_running(self, name: str) -> bool:
        return name in self.life.containers and self.life.containers[name].state == "running"

    def bring_up(self) -> None:
        self.answer_all()
        self.exit(PLAIN_INIT, 0)
        self.answer_all()
        self.return_hooks("")
        self.answer_all()
        assert set(self.alive) == {SIDECAR, *REGULAR}

    # What the machine does.

    def answer_all(self) -> None:
        self.story.decide()
        self.check_asked()
        while asked := self.story.take(*ASKED):
            for effect in asked:
                self.answer(effect)
            self.check_asked()
        before = self.life
        assert [e for e in self.story.decide() if isinstance(e, ASKED)] == [], "the same was asked for twice"
        assert self.life == before, "deciding again changed where the pod stands"

    def answer_one(self) -> None:
        """The first thing that is asked for, and the others later."""
        self.story.decide()
        self.check_asked()
        asked = self.story.take(*ASKED)
        self.story.effects += asked[1:]
        for effect in asked[:1]:
            self.answer(effect)

    def answer(self, effect: h.Effect) -> None:
        self.check_asked()
        if isinstance(effect, h.LaunchRun):
            if self.life.sandbox.state != "ready":  # what was asked of a sandbox that has ended meanwhile
                gone = "there is no sandbox"
                self.story.happens(h.LaunchRefused(effect.container, effect.attempt, "CreateContainerError", gone))
                return
            self.note_launch(effect)
        if isinstance(effect, h.LeaveSandbox):
            assert not self.alive, "the sandbox was left although something ran in it"
            self.initialized = False
        if isinstance(effect, h.WriteResources):
            self.story.happens(h.ResizeWritten(effect.amounts, resizing.runs(self.life)))
        self.story.answer(effect)

    def refuse_one(self) -> None:
        """The first thing that is asked for can't be had."""
        asked = self.story.take(*ASKED)
        self.story.effects += asked[1:]
        for effect in asked[:1]:
            match effect:
                case h.PrepareVolumes():
                    self.story.happens(h.VolumesFailed("not there"))
                case h.MakeSandbox(attempt):
                    self.story.happens(h.SandboxUnmade(attempt, "no address is free"))
                case h.EnsureImage(container):
                    self.story.happens(h.ImageFailed(container, "ErrImagePull", "not found"))
                case h.LaunchRun(container, attempt):
                    self.story.happens(h.LaunchRefused(container, attempt, "CreateContainerConfigError", "no secret"))
                case h.WriteResources():
                    self.story.happens(h.ResizeWritten({}, {}, "in use"))
                case h.LeaveSandbox():
                    self.story.answer(effect)
                    self.alive.clear()
                    self.initialized = False

    def exit(self, name: str, code: int) -> None:
        self.alive.pop(name, None)
        if name == PLAIN_INIT and code == 0:
            self.initialized = True
        self.story.exits(name, code)

    def return_hooks(self, failure: str) -> None:
        attempt = self.life.containers["a"].attempt
        if self.story.take(h.RunPostStart):
            self.story.happens(h.PostStartReturned("a", attempt, failure))
        if self.story.take(h.RunPreStop):
            self.story.happens(h.PreStopReturned("a", attempt, failure))

    def kubelet_dies(self) -> None:
        """What it asked for and nobody has done yet is forgotten; the next one reads what was written down."""
        story = self.story
        story.effects.clear()
        story.life = lives.decode(lives.encode(story.life))
        resumed = h.Resumed(connected=self.life.sandbox.state in ("ready", "broken", "making"))
        story.life, more = pod_life.observe(story.pod, self.life, resumed, story.now)
        story.effects += (*more, *pod_life.unfinished(self.life))
        story.decide()

    # What must hold.

    def note_launch(self, launch: h.LaunchRun) -> None:
        key = (launch.container, launch.attempt)
        assert key not in self.launched, "an attempt ran twice"
        assert launch.container not in self.alive, "two runs of one container"
        self.launched.add(key)
        self.alive[launch.container] = launch.attempt

    def check_asked(self) -> None:
        """Every launch, as soon as it is asked for."""
        for effect in self.story.effects:
            if isinstance(effect, h.LaunchRun) and (key := (effect.container, effect.attempt)) not in self.asked:
                self.asked.add(key)
                self.check_launch(effect)

    def check_launch(self, launch: h.LaunchRun) -> None:
        name = launch.container
        policy = self.story.pod.spec.restart_policy
        assert self.life.sandbox.state == "ready"
        assert self.life.sandbox.attempt not in self.ended_sandboxes, "something was started in a sandbox without pause"
        assert not self.life.final, "something was started in a pod that had ended"
        assert self.story.pod.metadata.deletion_timestamp is None or self.life.containers[name].state == "launching"
        if name in REGULAR:
            assert self.initialized, "a container ran before its init containers"
        if name == PLAIN_INIT:
            assert self.life.containers[SIDECAR].has_run, "an init container ran before the sidecar in front of it"
            assert not any(regular in self.alive for regular in REGULAR)
        if name == HELPER:
            assert name not in self.images, "an ephemeral container was restarted"
        spec = pod_life.spec_of(self.story.pod, name)
        if name in REGULAR:
            given = resizing.allocated(self.story.pod.spec, self.life)[name]
            assert self.life.containers[name].actuated == given, "started with other resources than were agreed to"
        if policy == "Never" and name != SIDECAR and name in self.images:
            assert self.images[name] != spec.image, "a container was restarted under Never"
        self.images[name] = spec.image

    def check_shown(self) -> None:
        """The status never contradicts what is known."""
        shown = self.story.status()
        for one in (*shown.init_container_statuses, *shown.container_statuses, *shown.ephemeral_container_statuses):
            states = [s for s in (one.state.waiting, one.state.running, one.state.terminated) if s is not None]
            assert len(states) == 1
            known = self.life.containers[one.name]
            running_now = known.state == "running"
            assert one.state.running is None or running_now
            assert not one.ready or one.state.terminated or running_now
            on_its_way = known.state in ("waiting", "pulling", "launching")  # not counted until it is there
            assert one.restart_count in ((known.attempt, known.attempt - 1) if on_its_way else (known.attempt,))
        if self.life.final:
            assert shown.phase in ((self.life.final,) if self.life.ended else ("Pending", "Running"))
        elif any(s.state.waiting and not s.last_state.terminated for s in shown.container_statuses):
            assert shown.phase == "Pending"
        elif shown.phase == "Running" and self.story.pod.spec.restart_policy == "Never":
            counted = (c for name, c in self.life.containers.items() if name != HELPER)
            assert any(c.alive or c.rerun or c.state in ("waiting", "pulling") for c in counted), (
                "Running, but nothing is or will be"
            )

    def check_grace(self, grace: int) -> None:
        """Who was not stopping yet when the pod is deleted is killed no sooner than its grace period ends, and soon
        after that, whatever its hooks and sidecars do."""
        story = self.story
        earlier = {name for name, c in self.life.containers.items() if c.stop is not None}
        story.pod = deleted(story.pod, grace)
        self.answer_all()
        stops = {n: c.stop for n, c in self.life.containers.items() if c.state == "running" and c.stop is not None}
        fresh = stops.keys() - earlier
        story.take(h.KillRun)
        end = story.now + grace
        while story.wake_at is not None and story.wake_at < end:
            story.passes(max(story.wake_at - story.now, 0.001))
            early = {kill.container for kill in story.take(h.KillRun) if isinstance(kill, h.KillRun)}
            assert not early & fresh, "killed before the grace period was over"
        story.passes(end - story.now)
        for _ in range(3):  # two seconds for a signal that came late, and a sidecar's two after that
            story.passes(2)
        for name, container in self.life.containers.items():
            if container.state == "running":
                assert container.stop is not None, f"{name} was not stopped"
                assert container.stop.stage == "kill", f"{name} was not killed"

    def end(self) -> None:
        """The pod is deleted, every run that is killed ends, time passes: then nothing is left."""
        if self.story.pod.metadata.deletion_timestamp is None:
            self.check_grace(30)
        for _ in range(30):
            self.answer_all()
            for name, container in self.life.containers.items():
                if container.state == "running" and container.stop is not None and container.stop.stage == "kill":
                    self.exit(name, 137)
            self.story.passes(31)
        assert self.life.removing
        assert self.life.sandbox.state == "absent"
        assert not self.alive
        assert not self.life.resize.writing


def resources(cpu: str) -> objects.ResourceRequirements:
    return objects.ResourceRequirements(requests={"cpu": cpu})


# Histories that broke something once: a launch was refused, and what came next was taken for the run before it.
RESTARTED = [("exit", "a", 1), ("answer one",), ("refuse",), ("reference",), ("answer one",)]
IN_A_NEW_SANDBOX = [("shim dies",), *[("answer one",)] * 5, ("refuse",), ("reference",), ("answer",)]
NEVER_RESTARTED = [
    ("image", "a"),
    ("exit", "b", 0),
    ("exit", "a", 0),
    ("answer one",),
    ("refuse",),
    ("exit", "side", 0),
]


@example(policy="Always", is_up=True, is_prompt=False, steps=RESTARTED)
@example(policy="OnFailure", is_up=True, is_prompt=False, steps=IN_A_NEW_SANDBOX)
@example(policy="Never", is_up=True, is_prompt=False, steps=NEVER_RESTARTED)
@settings(max_examples=1500)
@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]), is_up=st.booleans(), is_prompt=st.booleans(), steps=STEPS
)
def test_no_history_breaks_what_always_holds(
    policy: str, is_up: bool, is_prompt: bool, steps: list[tuple[object, ...]]
) -> None:
    """From nothing or from a pod that is up; on a machine that does at once what it is asked, or in its own time."""
    pod = a_pod(*REGULAR, init=(SIDECAR, PLAIN_INIT), policy=policy)
    pod = with_container(pod, SIDECAR, restart_policy="Always")
    restarting = (objects.ContainerResizePolicy(resource_name="cpu", restart_policy="RestartContainer"),)
    pod = with_container(pod, "b", resources=resources("1"), resize_policy=restarting)
    hooks = objects.Lifecycle(post_start=HOOK, pre_stop=HOOK)
    pod = with_container(pod, "a", startup_probe=PROBE, liveness_probe=PROBE, readiness_probe=PROBE, lifecycle=hooks)
    history = History(Story(pod))
    if is_up:
        history.bring_up()
    for step in steps:
        history.take_step(step)
        history.check_asked()
        history.check_shown()
        if is_prompt:
            history.answer_all()
            history.check_shown()
    history.end()
