"""Requests and limits: absurd ones in Kubernetes' words, resources of the pod itself, and what cgroups get of them."""

from __future__ import annotations

import pytest

from cgroups.limits import huge_page_word
from podrun.api import defaults, objects, parse, pod_resources, pod_warnings, validate
from podrun.kubelet import resources

GI, MI = 1 << 30, 1 << 20
GB_PAGES, MB_PAGES = 1 << 30, 2 << 20


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
    limits = resources.pod_limits(spec)
    assert (limits.cpu_shares, limits.cpu_quota_us, limits.memory_max) == (1024, 100_000, GI)
    assert resources.container_limits(spec.containers[0].resources).memory_max == "max"


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
    sizes = (MB_PAGES, GB_PAGES)
    assert resources.container_limits(spec.containers[0].resources, sizes).hugetlb == {"2MB": 4 * MI, "1GB": 0}
    assert resources.container_limits(spec.containers[1].resources, sizes).hugetlb == {"2MB": 0, "1GB": 0}
    assert resources.pod_limits(spec, sizes).hugetlb == {"2MB": 4 * MI, "1GB": 0}
    assert [huge_page_word(size) for size in (64 << 10, MB_PAGES, 16 * GI)] == ["64KB", "2MB", "16GB"]
