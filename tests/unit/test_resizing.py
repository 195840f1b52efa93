"""Resources changed while a pod runs: what is refused, whether there is room, in which order groups are written."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from podrun.api import defaults, objects, parse, validate_resize
from podrun.kubelet import pod_life, pod_steps, resizing, scheduler, status
from podrun.kubelet.happenings import Emit, ResizeJudged, ResizeWritten, WriteResources
from podrun.kubelet.lives import PodLife, SandboxLife, VolumesLife
from podrun.kubelet.resources import Node
from podrun.shim.facts import Numbered, Started

MI = 1 << 20
MACHINE = Node(10 << 30, "/layers")
NODE = objects.Node(status=objects.NodeStatus(allocatable={"cpu": "2", "memory": "1Gi", "pods": "9"}))
HOST = status.Host("here", ("192.0.2.1",))


def pod(*containers: str, rest: str = "", generation: int = 1) -> objects.Pod:
    spec = f"spec: {{containers: [{', '.join(containers)}]{rest}}}"
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{spec}\n"
    (found,) = parse.parse(text.encode())
    assert isinstance(found, objects.Pod)
    made = defaults.default_pod(found)
    return replace(made, metadata=replace(made.metadata, generation=generation))


def container(requests: str = "", limits: str = "", more: str = "", name: str = "c") -> str:
    return f"{{name: {name}, image: i, resources: {{requests: {{{requests}}}, limits: {{{limits}}}}}{more}}}"


RESTARTING = ", resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            container("memory: 64Mi"),
            container("memory: 64Mi, cpu: 1", "memory: 64Mi, cpu: 1"),
            'spec: Invalid value: "": Pod QOS Class may not change as a result of resizing',
        ),
        (
            container("cpu: 1, memory: 64Mi"),
            container("cpu: 1"),
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        ),
        (
            container("cpu: 1", "cpu: 2"),
            container("cpu: 1"),
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            container("cpu: 1"),
            container("cpu: 1, ephemeral-storage: 1Gi"),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            container("cpu: 1", "cpu: 2"),
            container("cpu: 3", "cpu: 2"),
            'spec.containers[0].resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2',
        ),
    ],
)
def test_a_resize_is_refused_in_kubernetes_words(before: str, after: str, expected: str) -> None:
    assert expected in [str(each) for each in validate_resize.validate_resize(pod(after), pod(before))]


def test_pods_with_resources_of_their_own_are_not_resized() -> None:
    own = ", resources: {limits: {cpu: 1}}"
    (error,) = validate_resize.validate_resize(pod(container("cpu: 1"), rest=own), pod(container(), rest=own))
    assert str(error) == ": Forbidden: pods with pod-level resources cannot be resized"


def test_nothing_but_resources_is_carried_over() -> None:
    old = pod(container("cpu: 1"))
    asked = replace(pod(container("cpu: 500m")), metadata=objects.ObjectMeta(name="a", labels={"x": "y"}))
    assert validate_resize.resized(asked, old) == replace(old, spec=pod(container("cpu: 500m")).spec)


def test_what_the_node_can_never_give_is_infeasible_and_what_others_hold_is_waited_for() -> None:
    others = (scheduler.claim(pod(container("cpu: 1500m"))),)
    refused = resizing.verdict(pod(container("cpu: 3")), NODE, others)
    assert refused == scheduler.Refusal(
        "Infeasible", "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000"
    )
    waiting = resizing.verdict(pod(container("cpu: 1")), NODE, others)
    assert waiting == scheduler.Refusal(
        "Deferred", "Node didn't have enough resource: cpu, requested: 1000, used: 1500, capacity: 2000"
    )
    assert resizing.verdict(pod(container("cpu: 500m")), NODE, others) is None


def test_the_pods_group_grows_first_and_shrinks_last_and_containers_shrink_before_others_grow() -> None:
    before = pod(container("", "memory: 100Mi", name="up"), container("", "memory: 300Mi", name="down"))
    after = pod(container("", "memory: 150Mi", name="up"), container("", "memory: 100Mi", name="down"))
    old, new = resizing.wished(before.spec), resizing.wished(after.spec)
    steps = resizing.writes(after, old, new, ("up", "down"), MACHINE)
    assert [(step.container, step.limits.memory_max) for step in steps] == [
        (None, 400 * MI),
        ("down", 100 * MI),
        ("up", 150 * MI),
        (None, 250 * MI),
    ]
    assert [step.container for step in resizing.writes(after, old, new, ("up",), MACHINE)] == [None, "up", None]
    assert resizing.memory_in_the_way(steps[1], 200 * MI) == (
        'attempting to set container "down" memory limit (104857600) below current usage (209715200)'
    )
    assert resizing.memory_in_the_way(steps[1], 50 * MI) == ""


def running(made: objects.Pod) -> PodLife:
    """A pod with one running container."""
    life = replace(pod_life.born(made, 0.0), volumes=VolumesLife("ready"), sandbox=SandboxLife("ready"))
    for _ in range(2):
        life = pod_steps.decide(made, life, 0.0).life
        waiting = life.containers["c"]
        if waiting.state == "pulling":
            life = pod_life.with_container(life, "c", replace(waiting, state="waiting", image_checked=True))
    life, _ = pod_life.observe(made, life, Numbered(1, Started("c", 0, "1" * 64, 7, 1.0, 0, 0, ())), 1.0)
    return life


def judged(made: objects.Pod, life: PodLife, reason: str = "", message: str = "") -> tuple[PodLife, list[str]]:
    verdict = ResizeJudged(made.metadata.generation, resizing.wished(made.spec), reason, message)
    after, effects = pod_life.observe(made, life, verdict, 2.0)
    return after, [each.reason for each in effects if isinstance(each, Emit)]


def conditions(made: objects.Pod, life: PodLife) -> list[tuple[str, str, str]]:
    shown = status.pod_status(made, life, HOST, 3.0).conditions
    return [(each.type, each.reason, each.message) for each in shown if each.type.startswith("PodResize")]


def test_a_resize_is_agreed_to_written_and_over() -> None:
    old, new = pod(container("cpu: 100m")), pod(container("cpu: 200m"), generation=2)
    life = running(old)
    assert resizing.wants_verdict(new, life)
    assert not resizing.wants_verdict(old, life)
    life, told = judged(new, life)
    assert told == ["ResizeStarted"]
    assert conditions(new, life) == [("PodResizeInProgress", "", "")]
    decision = pod_steps.decide(new, life, 2.0)
    (write,) = decision.effects
    assert isinstance(write, WriteResources)
    assert (write.before, write.amounts) == (resizing.wished(old.spec), resizing.wished(new.spec))
    assert pod_steps.decide(new, decision.life, 2.0).effects == ()
    shown = status.pod_status(new, decision.life, HOST, 3.0).container_statuses[0]
    assert shown.resources == old.spec.containers[0].resources
    assert shown.allocated_resources == {"cpu": "200m"}
    life, _ = pod_life.observe(new, decision.life, ResizeWritten(write.amounts, resizing.runs(life)), 3.0)
    decision = pod_steps.decide(new, life, 3.0)
    assert [each.reason for each in decision.effects if isinstance(each, Emit)] == ["ResizeCompleted"]
    assert conditions(new, decision.life) == []
    shown = status.pod_status(new, decision.life, HOST, 3.0).container_statuses[0]
    assert shown.resources == new.spec.containers[0].resources


def test_a_container_that_is_just_starting_is_waited_for() -> None:
    """Its group is made with the amounts of before."""
    old, new = pod(container("cpu: 100m")), pod(container("cpu: 200m"), generation=2)
    life, _ = judged(new, running(old))
    starting = replace(life, containers={"c": replace(life.containers["c"], state="launching")})
    assert pod_steps.decide(new, starting, 2.0).effects == ()
    assert [type(each) for each in pod_steps.decide(new, life, 2.0).effects] == [WriteResources]


def test_a_second_wish_waits_for_the_write_of_the_first() -> None:
    old, new, newer = (pod(container(f"cpu: {n}00m"), generation=n) for n in (1, 2, 3))
    life, _ = judged(new, running(old))
    first = pod_steps.decide(new, life, 2.0)
    (write,) = first.effects
    assert isinstance(write, WriteResources)
    life, _ = judged(newer, first.life)
    assert pod_steps.decide(newer, life, 2.0).effects == ()
    life, _ = pod_life.observe(newer, life, ResizeWritten(write.amounts, resizing.runs(life)), 3.0)
    (again,) = pod_steps.decide(newer, life, 3.0).effects
    assert isinstance(again, WriteResources)
    assert again.amounts == resizing.wished(newer.spec)


def test_what_does_not_fit_is_told_once_and_changes_nothing() -> None:
    old, new = pod(container("cpu: 100m")), pod(container("cpu: 9"), generation=2)
    life, told = judged(new, running(old), "Infeasible", "too much")
    assert told == ["ResizeInfeasible"]
    assert conditions(new, life) == [("PodResizePending", "Infeasible", "too much")]
    assert pod_steps.decide(new, life, 2.0).effects == ()
    assert judged(new, life, "Infeasible", "too much") == (life, [])


def test_a_container_whose_policy_says_so_takes_its_memory_with_a_restart() -> None:
    old = pod(container("memory: 64Mi", "", RESTARTING))
    new = pod(container("memory: 128Mi", "", RESTARTING), generation=2)
    life, _ = judged(new, running(old))
    decision = pod_steps.decide(new, life, 2.0)
    assert Emit("Normal", "Killing", "Container c resize requires restart", "c") in decision.effects
    stopping = decision.life.containers["c"]
    assert stopping.stop is not None
    assert stopping.rerun


def test_a_write_that_ends_late_says_nothing_about_the_run_after() -> None:
    """A run that is started meanwhile has the new amounts from its start, and is not started once more for them."""
    old = pod(container("memory: 64Mi", "", RESTARTING))
    new = pod(container("memory: 128Mi", "", RESTARTING), generation=2)
    life, _ = judged(new, running(old))
    life = pod_steps.decide(new, life, 2.0).life
    of_before = ResizeWritten(resizing.wished(old.spec), resizing.runs(life))
    after = replace(life.containers["c"], id="2" * 64, stop=None, actuated=new.spec.containers[0].resources)
    again = pod_life.with_container(life, "c", after)
    life, _ = pod_life.observe(new, again, of_before, 3.0)
    assert life.containers == again.containers
    life, _ = pod_life.observe(new, again, ResizeWritten(of_before.amounts, resizing.runs(again)), 3.0)
    assert life.containers != again.containers


def test_a_failed_write_is_shown_and_tried_again_later() -> None:
    old, new = pod(container("cpu: 100m")), pod(container("cpu: 200m"), generation=2)
    life, _ = judged(new, running(old))
    life = pod_steps.decide(new, life, 2.0).life
    life, effects = pod_life.observe(new, life, ResizeWritten({}, {}, "no"), 3.0)
    assert [each.reason for each in effects if isinstance(each, Emit)] == ["ResizeError"]
    assert conditions(new, life) == [("PodResizeInProgress", "Error", "no")]
    decision = pod_steps.decide(new, life, 4.0)
    assert (decision.effects, decision.wake_at) == ((), 3.0 + resizing.RETRY)
    assert [type(each) for each in pod_steps.decide(new, life, 14.0).effects] == [WriteResources]
