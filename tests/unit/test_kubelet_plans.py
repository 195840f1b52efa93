"""From a pod to plans, limits and environment: pure functions, compared with what a kubelet would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import objects, pod_resources
from podrun.container.plan import Bind, LaunchPlan, NamespaceMode
from podrun.errors import PodrunError
from podrun.image.config import ImageConfig
from podrun.image.images import Image
from podrun.kubelet import environment, places, planner, resources, signals
from podrun.kubelet.mount_plan import Source
from podrun.paths import Paths

GI = 1 << 30
NODE = resources.Node(10 * GI, "/layers")


def with_resources(requests: dict[str, str], limits: dict[str, str]) -> objects.Container:
    return objects.Container(name="c", resources=objects.ResourceRequirements(requests=requests, limits=limits))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("$(A)-$(B)", "1-2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
        ("$$", "$"),
        ("$()", "$()"),
        ("$(A)$", "1$"),
        ("$(", "$("),
    ],
)
def test_variables_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert environment.expand(text, {"A": "1", "B": "2"}) == expanded


@given(st.text(alphabet="$()AB ", max_size=20))
def test_expansion_takes_any_text_and_leaves_text_without_dollars_alone(text: str) -> None:
    expanded = environment.expand(text, {"A": "1"})
    assert "$" in text or expanded == text


def test_the_pods_environment_lies_over_the_images() -> None:
    whole = environment.whole(["PATH=/opt/bin", "LANG=C"], "web", {"LANG": "de"}, tty=False)
    assert whole == ("PATH=/opt/bin", "HOSTNAME=web", "LANG=de")


@pytest.mark.parametrize(
    ("command", "args", "argv"),
    [
        ((), (), ("entry", "default")),
        ((), ("x",), ("entry", "x")),
        (("own",), (), ("own",)),
        (("own",), ("x", "$(A)"), ("own", "x", "1")),
    ],
)
def test_command_and_args_stand_over_entrypoint_and_cmd(
    command: tuple[str, ...], args: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    container = objects.Container(name="c", command=command, args=args)
    assert environment.argv_of(container, ["entry"], ["default"], {"A": "1"}) == argv


def test_a_container_with_nothing_to_run_is_an_error() -> None:
    with pytest.raises(PodrunError, match="no command specified"):
        environment.argv_of(objects.Container(name="c"), [], [], {})


@pytest.mark.parametrize(
    ("requests", "limits", "qos"),
    [
        ({}, {}, "BestEffort"),
        ({"cpu": "0"}, {}, "BestEffort"),
        ({"cpu": "1"}, {}, "Burstable"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
        ({"cpu": "1000m", "memory": "1024Mi"}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"}, "Burstable"),
        ({"cpu": "1"}, {"cpu": "1"}, "Burstable"),
    ],
)
def test_qos_classes(requests: dict[str, str], limits: dict[str, str], qos: str) -> None:
    spec = objects.PodSpec(containers=(with_resources(requests, limits),))
    assert pod_resources.qos_class(spec) == qos


def test_requests_become_shares_and_limits_become_quota_and_memory() -> None:
    limits = resources.container_limits(with_resources({"cpu": "500m"}, {"cpu": "2", "memory": "64Mi"}).resources, NODE)
    assert (limits.cpu_shares, limits.cpu_quota_us, limits.memory_max) == (512, 200_000, 64 << 20)
    nothing = resources.container_limits(objects.ResourceRequirements(), NODE)
    assert (nothing.cpu_shares, nothing.cpu_quota_us, nothing.memory_max) == (2, "max", "max")


def test_a_pod_is_limited_as_a_whole_only_where_every_container_is() -> None:
    limited = with_resources({"cpu": "1"}, {"cpu": "1", "memory": "1Gi"})
    free = with_resources({"cpu": "1"}, {"memory": "1Gi"})
    both = resources.pod_limits(objects.PodSpec(containers=(limited, limited)), NODE)
    assert (both.cpu_shares, both.cpu_quota_us, both.memory_max) == (2048, 200_000, 2 * GI)
    one = resources.pod_limits(objects.PodSpec(containers=(limited, free)), NODE)
    assert (one.cpu_quota_us, one.memory_max) == ("max", 2 * GI)


@pytest.mark.parametrize(
    ("requests", "limits", "score"),
    [
        ({}, {}, 1000),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, -997),
        ({"memory": "2Gi"}, {}, 800),
        ({"memory": "10Gi"}, {}, 3),
        ({"cpu": "1"}, {}, 999),
    ],
)
def test_who_is_killed_first_when_memory_runs_out(requests: dict[str, str], limits: dict[str, str], score: int) -> None:
    container = with_resources(requests, limits)
    assert resources.oom_score_adj(objects.PodSpec(containers=(container,)), container, 10 * GI) == score


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 15), ("SIGTERM", 15), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX", 64), ("SIGRTMAX-4", 60)],
)
def test_stop_signals_are_read_as_images_write_them(text: str, number: int) -> None:
    assert signals.number(text) == number


@pytest.mark.parametrize("text", ["SIGNONE", "0", "65", "RTMAX+1", "TERM+x", "-1"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(PodrunError):
        signals.number(text)


def a_plan(spec: objects.PodSpec, volumes: dict[str, Source] | None = None) -> LaunchPlan:
    pod = objects.Pod(metadata=objects.ObjectMeta(name="p", namespace="default", uid="u"), spec=spec)
    image = Image(
        ("i",), "sha256:1", "sha256:2", 1, None, "amd64", ImageConfig(cmd=("sh",), user="www:33"), ("l2", "l1")
    )
    place = places.place_of(pod, Paths(), "/podrun")
    node = resources.Node(10 * GI, "/layers")
    container = spec.containers[0]
    given = planner.Given(image, {}, place, "p", node, volumes or {})
    return planner.launch_plan(pod, container, 3, "f" * 64, given)


def test_a_volume_replaces_what_stands_at_its_path_by_default_and_parents_come_first() -> None:
    container = objects.Container(
        name="c",
        image="i",
        volume_mounts=(
            objects.VolumeMount(name="v", mount_path="/data/deep/", read_only=True),
            objects.VolumeMount(name="v", mount_path="/data"),
            objects.VolumeMount(name="v", mount_path="/etc/hosts"),
        ),
    )
    plan = a_plan(objects.PodSpec(containers=(container,)), {"v": Source("/somewhere")})
    targets = [mount.target for mount in plan.mounts]
    assert targets.index("/data") < targets.index("/data/deep")
    assert targets.count("/etc/hosts") == 1
    assert Bind("/somewhere", "/data/deep", readonly=True) in plan.mounts
    assert targets.index("/proc") < targets.index("/proc/kcore")


def test_a_plan_says_all_that_a_shim_needs() -> None:
    plan = a_plan(objects.PodSpec(containers=(objects.Container(name="c", image="i"),), share_process_namespace=True))
    assert plan.argv == ("sh",)
    assert (plan.identity.user, plan.identity.group) == ("www", "33")
    assert plan.pid is NamespaceMode.POD
    assert plan.cgroup == f"/podrun/besteffort/podu/{'f' * 64}"
    assert plan.log_path == str(Path("/var/log/pods/default_p_u/c/3.log"))
    assert plan.identity.capabilities == 0xA80425FB


def test_the_hosts_network_comes_with_the_hosts_name() -> None:
    plan = a_plan(objects.PodSpec(containers=(objects.Container(name="c", image="i"),), host_network=True))
    assert (plan.net, plan.uts, plan.ipc) == (NamespaceMode.HOST, NamespaceMode.HOST, NamespaceMode.POD)
