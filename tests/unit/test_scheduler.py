"""Whether a pod fits on the node: kube-scheduler's filters and words, and the kubelet's own admission."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import defaults, objects, parse, pod_resources
from podrun.kubelet import scheduler
from podrun.kubelet.scheduler import Claim, Refusal, Situation

NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
VICTIMS = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
NO_HELP = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def node(labels: dict[str, str] | None = None, *, unschedulable: bool = False, **taints: str) -> objects.Node:
    """A node with 2 CPUs, 1 GiB and room for 4 pods. A taint is given as key="value:effect"."""
    made = [objects.Taint(key=key, value=each.split(":")[0], effect=each.split(":")[1]) for key, each in taints.items()]
    room = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "4"}
    return objects.Node(
        metadata=objects.ObjectMeta(name="here", labels={"kubernetes.io/hostname": "here"} | (labels or {})),
        spec=objects.NodeSpec(unschedulable=unschedulable, taints=tuple(made)),
        status=objects.NodeStatus(allocatable=room, capacity=room),
    )


def container(name: str = "main", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "i"} | fields


def pod(
    *containers: dict[str, Any], labels: dict[str, str] | None = None, namespace: str = "default", **spec: Any
) -> objects.Pod:
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace, "labels": labels or {}},
        "spec": {"containers": list(containers) or [container()]} | spec,
    }
    typed = parse.from_value(msgspec.to_builtins(value))
    assert isinstance(typed, objects.Pod)
    return defaults.default_pod(typed)


def asking(**requests: str) -> dict[str, Any]:
    return container(resources={"requests": {name.replace("_", "-"): each for name, each in requests.items()}})


def claims(*pods: objects.Pod) -> tuple[Claim, ...]:
    return tuple(map(scheduler.claim, pods))


def obstacle(wanted: objects.Pod, *placed: objects.Pod, on: objects.Node | None = None) -> str:
    """Message of the refusal; empty: it fits."""
    situation = Situation(on or node(), claims(*placed), NAMESPACES)
    found = scheduler.obstacle(scheduler.claim(wanted), situation)
    assert found is None or found.reason == "Unschedulable"
    return found.message if found else ""


def why(wanted: objects.Pod, *placed: objects.Pod, on: objects.Node | None = None) -> str:
    """The reason alone, as in `1 REASON`."""
    return obstacle(wanted, *placed, on=on).removeprefix("0/1 nodes are available: 1 ").partition(". preemption")[0]


def affinity(kind: str, *terms: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def nodes(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def app(name: str, **fields: Any) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": name}}, "topologyKey": "kubernetes.io/hostname"} | fields


# ---- messages --------------------------------------------------------------------------------------------------------


def test_a_pod_that_asks_for_nothing_fits() -> None:
    assert obstacle(pod()) == ""


def test_what_is_missing_is_said_as_kube_scheduler_says_it() -> None:
    wanted = pod(asking(cpu="3", memory="2Gi"))
    assert obstacle(wanted) == f"0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. {VICTIMS}"


def test_where_no_end_of_a_pod_would_help_the_message_says_so() -> None:
    unfit = obstacle(pod(nodeSelector={"disk": "ssd"}))
    assert unfit == f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NO_HELP}"


def test_a_pod_that_never_preempts_is_told_so() -> None:
    unfit = obstacle(pod(asking(cpu="3"), preemptionPolicy="Never"))
    assert unfit.endswith("1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.")


def test_a_gated_pod_waits_whatever_the_node_says() -> None:
    wanted = scheduler.claim(pod(schedulingGates=[{"name": "g"}]))
    gated = Refusal("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
    assert scheduler.obstacle(wanted, Situation(None, (), {})) == gated


def test_without_a_node_nothing_fits() -> None:
    found = scheduler.obstacle(scheduler.claim(pod()), Situation(None, (), {}))
    assert found == Refusal("Unschedulable", "no nodes available to schedule pods")


def test_a_pod_of_another_scheduler_is_not_ours() -> None:
    assert scheduler.is_ours(pod())
    assert not scheduler.is_ours(pod(schedulerName="mine"))


# ---- room ------------------------------------------------------------------------------------------------------------


def test_requests_of_placed_pods_are_counted() -> None:
    half = pod(asking(cpu="1"))
    assert obstacle(half, half) == ""
    assert why(half, half, half) == "Insufficient cpu"
    assert why(pod(asking(ephemeral_storage="11Gi"))) == "Insufficient ephemeral-storage"
    assert obstacle(pod(), half, half) == ""


def test_a_limit_alone_is_a_request() -> None:
    assert why(pod(container(resources={"limits": {"memory": "2Gi"}}))) == "Insufficient memory"


def test_a_node_takes_only_so_many_pods() -> None:
    assert obstacle(pod(), pod(), pod(), pod()) == ""
    assert why(pod(), pod(), pod(), pod(), pod()) == "Too many pods"


def test_init_containers_count_only_where_they_are_more_than_the_rest() -> None:
    def init(cpu: str, **fields: Any) -> dict[str, Any]:
        return container(f"i{cpu}", resources={"requests": {"cpu": cpu}}, **fields)

    def request(*inits: dict[str, Any], cpu: str = "1") -> int:
        return pod_resources.pod_request(pod(asking(cpu=cpu), initContainers=list(inits)).spec, "cpu")

    assert request(init("500m")) == 1000
    assert request(init("1500m")) == 1500
    sidecar = init("300m", restartPolicy="Always")
    assert request(sidecar) == 1300
    assert request(init("1200m"), sidecar) == 1300  # the sidecar comes after it
    assert request(sidecar, init("1200m")) == 1500


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=6),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_a_pods_request_is_the_most_that_runs_at_once(inits: list[tuple[bool, int]], regular: list[int]) -> None:
    made = [
        container(f"i{n}", resources={"requests": {"cpu": str(cpu)}}) | ({"restartPolicy": "Always"} if always else {})
        for n, (always, cpu) in enumerate(inits)
    ]
    spec = pod(
        *(container(f"c{n}", resources={"requests": {"cpu": str(cpu)}}) for n, cpu in enumerate(regular)),
        initContainers=made,
    ).spec
    moments = [sum(regular) + sum(cpu for always, cpu in inits if always)]
    for at, (_, cpu) in enumerate(inits):
        moments.append(cpu + sum(before for always, before in inits[:at] if always))
    assert pod_resources.pod_request(spec, "cpu") == 1000 * max(moments)


def test_one_host_port_is_for_one_pod() -> None:
    def on(port: int, **fields: Any) -> objects.Pod:
        return pod(container(ports=[{"containerPort": 80, "hostPort": port} | fields]))

    taken = "node(s) didn't have free ports for the requested pod ports"
    assert why(on(80), on(80)) == taken
    assert why(on(80), on(81)) == ""
    assert why(on(80), on(80, protocol="UDP")) == ""
    assert why(on(80, hostIP="127.0.0.1"), on(80)) == taken
    assert why(on(80, hostIP="127.0.0.1"), on(80, hostIP="127.0.0.2")) == ""
    in_host_network = pod(container(ports=[{"containerPort": 80}]), hostNetwork=True)
    assert why(in_host_network, in_host_network) == taken
    assert why(pod(container(ports=[{"containerPort": 80}])), in_host_network) == ""


# ---- the node --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "matches"),
    [
        (expression("disk", "In", "ssd", "nvme"), True),
        (expression("disk", "In", "hdd"), False),
        (expression("absent", "In", "ssd"), False),
        (expression("disk", "NotIn", "hdd"), True),
        (expression("absent", "NotIn", "hdd"), True),
        (expression("disk", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("absent", "DoesNotExist"), True),
        (expression("cores", "Gt", "7"), True),
        (expression("cores", "Gt", "8"), False),
        (expression("cores", "Lt", "9"), True),
        (expression("disk", "Lt", "9"), False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["here"]}]}, True),
        ({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["here"]}]}, False),
        ({}, False),
    ],
)
def test_node_affinity_is_about_labels_and_the_name(term: dict[str, Any], matches: bool) -> None:
    on = node({"disk": "ssd", "cores": "8"})
    words = "" if matches else "node(s) didn't match Pod's node affinity/selector"
    assert why(pod(**nodes(term)), on=on) == words
    assert why(pod(**nodes(expression("absent", "Exists"), term)), on=on) == words


def test_a_selector_and_an_affinity_must_both_hold() -> None:
    on = node({"disk": "ssd"})
    assert why(pod(nodeSelector={"disk": "ssd"}), on=on) == ""
    assert why(pod(nodeSelector={"disk": "ssd"}, **nodes(expression("x", "Exists"))), on=on) != ""


def test_a_pod_that_names_other_nodes_has_none_to_look_at() -> None:
    elsewhere = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["there"]}]}
    assert why(pod(**nodes(elsewhere))) == "node(s) didn't satisfy plugin(s) [NodeAffinity]"


def test_taints_keep_pods_away_that_do_not_tolerate_them() -> None:
    on = node(gpu="yes:NoSchedule")
    assert why(pod(), on=on) == "node(s) had untolerated taint {gpu: yes}"
    assert why(pod(), on=node(gpu=":NoExecute")) == "node(s) had untolerated taint {gpu: }"
    assert why(pod(), on=node(gpu="yes:PreferNoSchedule")) == ""
    for toleration in (
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists"},
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
    ):
        assert why(pod(tolerations=[toleration]), on=on) == ""
    for toleration in (
        {"key": "gpu", "value": "no"},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
        {"key": "other", "operator": "Exists"},
    ):
        assert why(pod(tolerations=[toleration]), on=on) != ""


def test_a_cordoned_node_takes_only_who_tolerates_that() -> None:
    on = node(unschedulable=True)
    assert why(pod(), on=on) == "node(s) were unschedulable"
    assert why(pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]), on=on) == ""


# ---- company ---------------------------------------------------------------------------------------------------------


def test_affinity_wants_a_pod_that_is_there() -> None:
    wanted = pod(labels={"app": "web"}, **affinity("podAffinity", app("db")))
    assert obstacle(wanted) == f"0/1 nodes are available: 1 node(s) didn't match pod affinity rules. {NO_HELP}"
    assert why(wanted, pod(labels={"app": "db"})) == ""
    assert why(wanted, pod(labels={"app": "db"}, namespace="other")) != ""


def test_the_first_pod_of_a_group_needs_no_other() -> None:
    assert why(pod(labels={"app": "web"}, **affinity("podAffinity", app("web")))) == ""


def test_affinity_to_a_topology_that_the_node_is_not_in_never_holds() -> None:
    wanted = pod(labels={"app": "web"}, **affinity("podAffinity", app("web", topologyKey="zone")))
    assert why(wanted, pod(labels={"app": "web"})) == "node(s) didn't match pod affinity rules"


def test_anti_affinity_keeps_pods_apart_in_both_directions() -> None:
    alone = pod(labels={"app": "web"}, **affinity("podAntiAffinity", app("web")))
    plain = pod(labels={"app": "web"})
    assert why(alone) == ""
    assert obstacle(alone, plain) == (
        f"0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. {VICTIMS}"
    )
    assert why(plain, alone) == "node(s) didn't satisfy existing pods anti-affinity rules"
    elsewhere = pod(labels={"app": "web"}, **affinity("podAntiAffinity", app("web", topologyKey="zone")))
    assert why(elsewhere, plain) == ""


def test_terms_may_be_about_other_namespaces() -> None:
    other = pod(labels={"app": "db"}, namespace="other")
    for term in (
        app("db", namespaces=["other"]),
        app("db", namespaceSelector={}),
        app("db", namespaceSelector={"matchLabels": {"team": "b"}}),
    ):
        assert why(pod(**affinity("podAffinity", term)), other) == ""
    assert why(pod(**affinity("podAffinity", app("db", namespaceSelector={"matchLabels": {"team": "a"}}))), other) != ""


def test_a_term_can_follow_the_pods_own_labels() -> None:
    labels = {"app": "web", "version": "1"}
    term = app("web", matchLabelKeys=["version"])
    assert why(pod(labels=labels, **affinity("podAntiAffinity", term)), pod(labels=labels | {"version": "2"})) == ""
    assert why(pod(labels=labels, **affinity("podAntiAffinity", term)), pod(labels=labels)) != ""
    term = app("web", mismatchLabelKeys=["version"])
    assert why(pod(labels=labels, **affinity("podAntiAffinity", term)), pod(labels=labels)) == ""


def test_spreading_on_one_node_needs_the_label_and_enough_domains() -> None:
    def spread(**fields: Any) -> objects.Pod:
        constraint = {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
        return pod(labels={"app": "web"}, topologySpreadConstraints=[constraint | fields])

    words = "node(s) didn't match pod topology spread constraints"
    zone = node({"zone": "z"})
    assert why(spread()) == f"{words} (missing required label)"
    assert why(spread(whenUnsatisfiable="ScheduleAnyway")) == ""
    assert why(spread(), spread(), spread(), on=zone) == ""
    assert why(spread(minDomains=2), on=zone) == ""
    assert why(spread(minDomains=2), spread(minDomains=2), on=zone) == words


# ---- admission -------------------------------------------------------------------------------------------------------


def rejection(wanted: objects.Pod, *placed: objects.Pod, on: objects.Node | None = None) -> Refusal | None:
    return scheduler.rejection(scheduler.claim(wanted), Situation(on or node(), claims(*placed), NAMESPACES))


def test_the_kubelet_fails_a_bound_pod_that_has_no_room() -> None:
    assert rejection(pod(asking(cpu="9")), pod(asking(cpu="100m"))) == Refusal(
        "OutOfcpu", "Node didn't have enough resource: cpu, requested: 9000, used: 100, capacity: 2000"
    )
    assert rejection(pod(), pod(), pod(), pod(), pod()) == Refusal(
        "OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 4, capacity: 4"
    )


def test_the_kubelet_looks_at_selectors_ports_and_noexecute_taints_only() -> None:
    assert rejection(pod(nodeSelector={"a": "b"})) == Refusal(
        "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    )
    port = pod(container(ports=[{"containerPort": 80, "hostPort": 80}]))
    assert rejection(port, port) == Refusal(
        "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    )
    assert rejection(pod(), on=node(gpu=":NoExecute")) == Refusal(
        "TaintToleration", "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    )
    assert rejection(pod(), on=node(gpu=":NoSchedule", unschedulable=True)) is None
    assert rejection(pod(**affinity("podAffinity", app("nobody")))) is None
