"""A pod and a pretended machine around the deciding functions: no clock, no socket, no container."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from podrun.api import objects
from podrun.kubelet import happenings as h
from podrun.kubelet import lives, pod_life, pod_steps, status
from podrun.shim import facts

HOST = status.Host("node-1", ("192.0.2.10",))


def a_pod(*containers: str, init: tuple[str, ...] = (), policy: str = "Always", grace: int = 30) -> objects.Pod:
    return objects.Pod(
        metadata=objects.ObjectMeta(name="web", namespace="default", uid="u-1", generation=1),
        spec=objects.PodSpec(
            init_containers=tuple(objects.Container(name=name, image="i:1") for name in init),
            containers=tuple(objects.Container(name=name, image="i:1") for name in containers),
            restart_policy=policy,
            termination_grace_period_seconds=grace,
        ),
    )


def deleted(pod: objects.Pod, grace: int = 30) -> objects.Pod:
    metadata = replace(pod.metadata, deletion_timestamp="2026-01-01T00:00:00Z", deletion_grace_period_seconds=grace)
    return replace(pod, metadata=metadata)


@dataclass
class Story:
    """A pod and a pretended machine: effects are answered as a healthy shim would, unless a test says otherwise."""

    pod: objects.Pod
    now: float = 1000.0
    life: lives.PodLife = field(init=False)
    effects: list[h.Effect] = field(default_factory=list)
    wake_at: float | None = None
    facts: int = 0

    def __post_init__(self) -> None:
        self.life = pod_life.born(self.pod, self.now)

    def happens(self, event: h.Happening) -> None:
        self.life, more = pod_life.observe(self.pod, self.life, event, self.now)
        self.effects += more
        self.decide()

    def decide(self) -> list[h.Effect]:
        decision = pod_steps.decide(self.pod, self.life, self.now)
        self.life, self.wake_at = decision.life, decision.wake_at
        self.effects += decision.effects
        return list(decision.effects)

    def fact(self, fact: facts.Fact) -> None:
        self.facts += 1
        self.happens(facts.Numbered(self.facts, fact))

    def answer_all(self) -> None:
        """Let the machine do what was asked, until nothing more is asked."""
        self.decide()
        while asked := self.take(h.PrepareVolumes, h.MakeSandbox, h.EnsureImage, h.LaunchRun, h.LeaveSandbox):
            for effect in asked:
                self.answer(effect)

    def answer(self, effect: h.Effect) -> None:
        match effect:
            case h.PrepareVolumes():
                self.happens(h.VolumesReady())
            case h.MakeSandbox(attempt):
                self.happens(h.SandboxReady(attempt, ("10.0.0.2",)))
            case h.EnsureImage(container):
                self.happens(h.ImageReady(container, "sha256:1"))
            case h.LaunchRun(container, attempt):
                self.fact(facts.Started(container, attempt, f"{container}-{attempt}", 1, self.now))
            case h.LeaveSandbox():
                self.happens(h.SandboxLeft())

    def take(self, *kinds: type) -> list[h.Effect]:
        taken = [effect for effect in self.effects if isinstance(effect, kinds)]
        self.effects = [effect for effect in self.effects if not isinstance(effect, kinds)]
        return taken

    def exits(self, container: str, code: int, *, oom: bool = False) -> None:
        attempt = self.life.containers[container].attempt
        self.fact(facts.Exited(container, attempt, f"{container}-{attempt}", code, 0, oom, self.now))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.decide()

    def status(self) -> objects.PodStatus:
        return status.pod_status(self.pod, self.life, HOST, self.now)

    def events(self) -> list[str]:
        return [effect.reason for effect in self.effects if isinstance(effect, h.Emit)]


def running(story: Story) -> Story:
    story.answer_all()
    return story


def with_spec(pod: objects.Pod, **changes: object) -> objects.Pod:
    return replace(pod, spec=replace(pod.spec, **changes))


def with_container(pod: objects.Pod, name: str, **changes: object) -> objects.Pod:
    def changed(containers: tuple[objects.Container, ...]) -> tuple[objects.Container, ...]:
        return tuple(replace(c, **changes) if c.name == name else c for c in containers)

    return with_spec(pod, init_containers=changed(pod.spec.init_containers), containers=changed(pod.spec.containers))


HOOK = objects.LifecycleHandler(sleep=objects.SleepAction(seconds=1))
PROBE = objects.Probe(failure_threshold=3, success_threshold=1, period_seconds=10, timeout_seconds=1)
