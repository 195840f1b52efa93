"""Requests and limits: absurd ones in Kubernetes' words, resources of the pod itself, and what cgroups get of them."""

from __future__ import annotations

import pytest

from cgroups.limits import huge_page_word
from podrun.api import defaults, objects, parse, pod_resources, pod_warnings, validate
from podrun.errors import PodrunError
from podrun.kubelet import node_settings, resources
from podrun.paths import Paths

GI, MI = 1 << 30, 1 << 20
GB_PAGES, MB_PAGES = 1 << 30, 2 << 20
NODE = resources.Node(10 * GI, "/layers")


def pod(spec: str) -> objects.Pod:
    (found,) = parse.parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{spec}}}\n".encode())
    assert isinstance(found, objects.Pod)
    return defaults.default_pod(found)


def container(amounts: str, name: str = "c", more: str = "") -> str:
    return f"{{name: {name}, image: i, resources: {{{amounts}}}{more}}}"


def errors(spec: str) -> list[str]:
    return [str(each) for each in validate.validate_pod(pod(spec))]


FIRST = "spec.containers[0].resources"


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (
            "limits: {cups: 1}",
            [
                f'{FIRST}.{kind}[cups]: Invalid value: "cups": {detail}'
                for kind in ("limits", "requests")  # a limit is the request too
                for detail in (
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                )
            ],
        ),
        (
            "requests: {storage: 1}",
            [f'{FIRST}.requests[storage]: Invalid value: "storage": must be a standard resource for containers'],
        ),
        (
            "requests: {cpu: -1}",
            [f'{FIRST}.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
        ),
        (
            "requests: {memory: 2Gi}, limits: {memory: 1Gi}",
            [f'{FIRST}.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
        ),
        (
            "limits: {example.com/gpu: 1500m}",
            [
                f'{FIRST}.{kind}[example.com/gpu]: Invalid value: "1500m": must be an integer'
                for kind in ("limits", "requests")
            ],
        ),
        (
            "requests: {example.com/gpu: 1}",
            [f"{FIRST}.limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            "limits: {hugepages-2Mi: 2Mi}",
            [f"{FIRST}: Forbidden: HugePages require cpu or memory"],
        ),
        (
            "limits: {cpu: 1, hugepages-2Mi: 3Mi}, requests: {hugepages-2Mi: 2Mi}",
            [
                f'{FIRST}.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of '
                "hugepages-2Mi",
                f'{FIRST}.requests: Invalid value: "2Mi": must be equal to hugepages-2Mi limit of 3Mi',
            ],
        ),
        ("limits: {cpu: 1, memory: 1Gi, hugepages-2Mi: 4Mi, example.com/gpu: 2}", []),
    ],
)
def test_absurd_amounts_are_refused_in_kubernetes_words(amounts: str, expected: list[str]) -> None:
    assert sorted(errors(f"containers: [{container(amounts)}]")) == sorted(expected)


def test_fractions_of_a_byte_are_warned_of() -> None:
    spec = f"containers: [{container('requests: {memory: 1500m}, limits: {memory: 1Gi}')}]"
    assert errors(spec) == []
    assert pod_warnings.warnings(pod(spec)) == (
        f'{FIRST}.requests[memory]: fractional byte value "1500m" is invalid, must be an integer',
    )


@pytest.mark.parametrize(
    ("own", "amounts", "expected"),
    [
        (
            "requests: {cpu: 1}",
            "requests: {cpu: 1500m}",
            'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container '
            "requests of 1500m",
        ),
        (
            "limits: {memory: 1Gi}",
            "limits: {memory: 2Gi}, requests: {memory: 1Mi}",
            'spec.resources.containers[0].limits[memory]: Invalid value: "2Gi": must be less than or equal to pod '
            "limits of 1Gi",
        ),
        (
            "limits: {cpu: 1, ephemeral-storage: 1Gi}",
            "",
            'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: '
            '"cpu", "hugepages-", "memory"',
        ),
        (
            "claims: [{name: c}], limits: {cpu: 1}",
            "",
            "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
        ),
    ],
)
def test_resources_of_the_pod_itself_are_checked_with_those_of_its_containers(
    own: str, amounts: str, expected: str
) -> None:
    assert expected in errors(f"resources: {{{own}}}, containers: [{container(amounts)}]")


def test_what_the_pod_itself_leaves_out_comes_from_its_containers_or_its_limits() -> None:
    one = container("requests: {cpu: 100m}, limits: {hugepages-2Mi: 2Mi, memory: 1Gi}")
    other = container("requests: {cpu: 200m}", "d")
    spec = pod(f"resources: {{limits: {{cpu: 1, memory: 2Gi}}}}, containers: [{one}, {other}]").spec
    assert spec.resources is not None
    assert spec.resources.limits == {"cpu": "1", "memory": "2Gi", "hugepages-2Mi": "2Mi"}
    assert spec.resources.requests == {"cpu": "300m", "memory": "1Gi", "hugepages-2Mi": "2Mi"}
    bare = pod(f"resources: {{limits: {{cpu: 1}}}}, containers: [{container('')}]").spec
    assert bare.resources is not None
    assert bare.resources.requests == {"cpu": "1"}


def test_the_pods_own_resources_decide_its_class_sums_and_limits_alone() -> None:
    spec = pod(f"resources: {{limits: {{cpu: 1, memory: 1Gi}}}}, containers: [{container('')}]").spec
    assert pod_resources.qos_class(spec) == "Guaranteed"
    assert (pod_resources.pod_request(spec, "cpu"), pod_resources.pod_request(spec, "memory")) == (1000, GI)
    limits = resources.pod_limits(spec, NODE)
    assert (limits.cpu_shares, limits.cpu_quota_us, limits.memory_max) == (1024, 100_000, GI)
    assert resources.container_limits(spec.containers[0].resources, NODE).memory_max == "max"


def test_what_the_pod_asks_for_beyond_its_containers_counts_for_each_of_them() -> None:
    two = f"{container('')}, {container('requests: {memory: 1Gi}', 'd')}"
    spec = pod(f"resources: {{requests: {{memory: 3Gi}}}}, containers: [{two}]").spec
    assert [resources.oom_score_adj(spec, each, 10 * GI) for each in spec.containers] == [900, 800]


def test_a_sidecar_is_killed_no_sooner_than_the_containers_that_it_serves() -> None:
    sidecar = container("", "s", ", restartPolicy: Always")
    spec = pod(f"initContainers: [{sidecar}], containers: [{container('requests: {memory: 5Gi}')}]").spec
    assert resources.oom_score_adj(spec, spec.init_containers[0], 10 * GI) == 500


def test_containers_get_the_huge_pages_that_they_ask_for_and_no_others() -> None:
    asking, other = container("limits: {memory: 1Gi, hugepages-2Mi: 4Mi}"), container("", "d")
    spec = pod(f"containers: [{asking}, {other}]").spec
    machine = resources.Node(10 * GI, "/layers", (MB_PAGES, GB_PAGES))
    assert resources.container_limits(spec.containers[0].resources, machine).hugetlb == {"2MB": 4 * MI, "1GB": 0}
    assert resources.container_limits(spec.containers[1].resources, machine).hugetlb == {"2MB": 0, "1GB": 0}
    assert resources.pod_limits(spec, machine).hugetlb == {"2MB": 4 * MI, "1GB": 0}
    assert [huge_page_word(size) for size in (64 << 10, MB_PAGES, 16 * GI)] == ["64KB", "2MB", "16GB"]


def test_memory_qos_protects_requests_and_throttles_below_limits() -> None:
    machine = resources.Node(10 * GI, "/layers", memory_qos=True)
    limits = {
        text: resources.container_limits(pod(f"containers: [{container(text)}]").spec.containers[0].resources, machine)
        for text in (
            "requests: {memory: 100Mi}, limits: {memory: 200Mi}",
            "requests: {memory: 1Gi}",
            "limits: {memory: 1Gi}",
            "",
        )
    }
    shown = [(each.memory_min, each.memory_high) for each in limits.values()]
    assert shown == [(100 * MI, 190 * MI), (GI, int(9.1 * GI) // 4096 * 4096), (GI, "max"), (0, "max")]
    assert resources.container_limits(objects.ResourceRequirements(), NODE).memory_high is None


def test_the_groups_above_the_pods_weigh_what_their_pods_ask_for() -> None:
    bursting = pod(f"containers: [{container('requests: {cpu: 500m, memory: 1Gi}')}]").spec
    guaranteed = pod(f"containers: [{container('limits: {cpu: 1, memory: 1Gi}')}]").spec
    free = pod(f"containers: [{container('')}]").spec
    everything = tuple(map(resources.share, (bursting, bursting, guaranteed, free)))
    found = resources.class_limits(everything, NODE)
    assert {end: each.cpu_shares for end, each in found.items()} == {"/burstable": 1024, "/besteffort": 2}
    protected = resources.class_limits(everything, resources.Node(10 * GI, "/layers", memory_qos=True))
    assert {end: each.memory_min for end, each in protected.items()} == {
        "/burstable": 2 * GI,
        "/besteffort": None,
        "": 3 * GI,
    }
    assert resources.class_limits((resources.share(guaranteed),), NODE) == {}


@pytest.mark.parametrize("text", ["Nothing=true", "MemoryQoS", "MemoryQoS=perhaps"])
def test_an_unknown_feature_gate_is_refused(text: str) -> None:
    with pytest.raises(PodrunError, match="cannot use --feature-gates: "):
        node_settings.from_paths(Paths(feature_gates=text))
    assert node_settings.from_paths(Paths(feature_gates="MemoryQoS=true")).memory_qos
