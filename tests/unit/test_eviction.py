"""Who is evicted, when, and in which words: limits of storage, and a node that runs short."""

from __future__ import annotations

import pytest

from podrun.api import defaults, objects, parse
from podrun.errors import PodrunError
from podrun.kubelet import eviction, node_settings, pod_life, pod_steps, status, taint_eviction
from podrun.kubelet.eviction import Excess, Reading, Shortage, Threshold, Use
from podrun.kubelet.happenings import Emit, Evicted
from podrun.paths import Paths

MI = 1 << 20
DEFAULT = node_settings.from_paths(Paths())


def pod(spec: str = "", resources: str = "{}", name: str = "a") -> objects.Pod:
    text = f"spec: {{containers: [{{name: c, image: i, resources: {resources}}}]{spec}}}"
    (found,) = parse.parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n{text}\n".encode())
    assert isinstance(found, objects.Pod)
    return defaults.default_pod(found)


def use(subject: objects.Pod, memory: int = 0, disk: int = 0, volume: int = 0) -> Use:
    return Use(subject, {"c": memory * MI}, {"c": disk * MI}, {"v": volume * MI} if volume else {})


VOLUME = ", volumes: [{name: v, emptyDir: {sizeLimit: 1024Ki}}]"
LIMITED = "{limits: {ephemeral-storage: 2Mi}}"


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (use(pod(VOLUME), volume=1), None),
        (
            use(pod(VOLUME), volume=2),
            Excess("emptydirfs.limit", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '),
        ),
        (use(pod(", volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]"), volume=2), None),
        (use(pod(VOLUME.replace("1024Ki", "9Mi"), LIMITED), disk=1, volume=1), None),
        (
            use(pod(VOLUME.replace("1024Ki", "9Mi"), LIMITED), disk=1, volume=2),
            Excess(
                "ephemeralpodfs.limit", "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "
            ),
        ),
        (use(pod(), disk=99), None),
    ],
)
def test_a_pod_over_its_storage_is_told_which_limit_it_broke(taken: Use, told: Excess | None) -> None:
    assert eviction.over_its_storage(taken) == told


def test_a_container_may_not_take_what_others_leave() -> None:
    more = (
        ", initContainers: [{name: i, image: i, restartPolicy: Always, resources: {limits: {ephemeral-storage: 9Mi}}}]"
    )
    taken = use(pod(more, LIMITED), disk=3)
    text = 'Container c exceeded its local ephemeral storage limit "2Mi". '
    assert eviction.over_its_storage(taken) == Excess("ephemeralcontainerfs.limit", text)


def test_thresholds_are_amounts_or_parts_and_memory_comes_first() -> None:
    readings = {
        "memory.available": Reading(99 * MI, 1000 * MI),
        "nodefs.available": Reading(9, 100),
        "nodefs.inodesFree": Reading(5, 100),
    }
    assert eviction.shortages(DEFAULT.thresholds, readings) == [
        Shortage("memory", 100 * MI, 99 * MI),
        Shortage("ephemeral-storage", 10, 9),
    ]


def test_who_takes_more_than_it_asked_for_goes_first_then_the_less_important_then_the_largest() -> None:
    modest = use(pod("", "{requests: {memory: 500Mi}}", "modest"), memory=400)
    greedy = use(pod("", "{requests: {memory: 100Mi}}", "greedy"), memory=300)
    large = use(pod("", "{}", "large"), memory=250)
    important = use(pod(", priority: 1000", "{}", "important"), memory=900)
    critical = use(pod(", priority: 2000000000", "{}", "critical"), memory=9000)
    everybody = [critical, modest, large, important, greedy]
    order = []
    while chosen := eviction.victim(Shortage("memory", 1, 0), everybody):
        order.append(chosen.pod.metadata.name)
        everybody.remove(chosen)
    assert order == ["large", "greedy", "important", "modest"]


def test_the_victim_is_told_in_the_kubelets_words() -> None:
    taken = use(pod("", "{requests: {memory: 100Mi}}"), memory=300)
    assert eviction.message(Shortage("memory", 100 * MI, 50 * MI + 5), taken) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 300Mi, request is 100Mi, has larger consumption of memory. "
    )
    assert eviction.message(Shortage("inodes", 10, 9), taken) == (
        "The node was low on resource: inodes. Threshold quantity: 10, available: 9. "
    )


def test_a_pressure_is_shown_for_a_while_after_it_was_there() -> None:
    seen = {"MemoryPressure": 100.0}
    assert eviction.pressures([], seen, 399.0, 300.0) == {"MemoryPressure"}
    assert eviction.pressures([], seen, 400.0, 300.0) == set()
    assert eviction.pressures([Shortage("inodes", 2, 1)], {}, 0.0, 300.0) == {"DiskPressure"}
    other = objects.Taint(key="mine", effect="NoSchedule")
    tainted = eviction.taints((other,), {"DiskPressure"})
    assert [each.key for each in tainted] == ["mine", "node.kubernetes.io/disk-pressure"]
    assert eviction.taints(tainted, ()) == (other,)


def test_pods_bound_to_a_node_under_pressure_are_turned_away() -> None:
    asking = pod("", "{requests: {memory: 1Mi}}")
    assert eviction.turned_away(pod(), {"MemoryPressure"}) == "The node had condition: [MemoryPressure]. "
    assert eviction.turned_away(asking, {"MemoryPressure"}) == ""
    assert eviction.turned_away(asking, {"DiskPressure"}) == "The node had condition: [DiskPressure]. "
    assert eviction.turned_away(pod(", priority: 2000001000"), {"DiskPressure"}) == ""


def test_an_evicted_pod_has_failed_and_says_why() -> None:
    made = pod()
    life, effects = pod_life.observe(made, pod_life.born(made, 0.0), Evicted("too much. "), 1.0)
    assert effects == (Emit("Warning", "Evicted", "too much. "),)
    shown = status.pod_status(made, life, status.Host("here", ()), 2.0)
    assert (shown.phase, shown.reason, shown.message) == ("Failed", "Evicted", "too much. ")
    (condition,) = (each for each in shown.conditions if each.type == "DisruptionTarget")
    assert (condition.status, condition.reason, condition.message) == ("True", "TerminationByKubelet", "too much. ")
    assert pod_life.observe(made, life, Evicted("again"), 3.0) == (life, ())
    assert pod_steps.decide(made, life, 3.0).effects == ()


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ("", 0.0),
        ("{key: gone, operator: Exists}", None),
        ("{key: gone, operator: Exists, tolerationSeconds: 60}", 60.0),
        ("{operator: Exists, tolerationSeconds: 9}, {key: gone, operator: Exists, tolerationSeconds: 60}", 9.0),
        ("{key: gone, operator: Exists, effect: NoSchedule}", 0.0),
    ],
)
def test_a_pod_stays_on_a_tainted_node_as_long_as_it_tolerates_that(tolerations: str, seconds: float | None) -> None:
    taints = (objects.Taint(key="gone", effect="NoExecute"), objects.Taint(key="x", effect="NoSchedule"))
    tolerant = pod(f", tolerations: [{tolerations}]")
    assert taint_eviction.patience(tolerant, taints) == seconds
    assert taint_eviction.patience(tolerant, taints[1:]) is None


@pytest.mark.parametrize(
    "text", ["memory.available", "memory<1", "memory.available<x", "memory.available<1,memory.available<2", "pid<9%"]
)
def test_thresholds_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(PodrunError, match="cannot use --eviction-hard: "):
        node_settings.from_paths(Paths(eviction_hard=text))


def test_what_pods_would_be_evicted_for_is_not_for_them() -> None:
    capacity = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1000Ki", "pods": "110"}
    left = {"memory": "924Mi", "ephemeral-storage": "900Ki"}
    assert eviction.allocatable(capacity, DEFAULT.thresholds) == capacity | left
    assert eviction.allocatable(capacity, [Threshold("memory.available", "2Gi")])["memory"] == "0"


def test_thresholds_and_periods_are_read_as_the_kubelet_reads_them() -> None:
    assert DEFAULT.thresholds[0] == Threshold("memory.available", "100Mi")
    assert (DEFAULT.pressure_transition, DEFAULT.eviction_period) == (300.0, 10.0)
    assert node_settings.from_paths(Paths(eviction_hard="none")).thresholds == ()
    with pytest.raises(PodrunError, match="cannot use --eviction-monitoring-period: invalid duration"):
        node_settings.from_paths(Paths(eviction_monitoring_period="soon"))
