"""The columns of `get`, above all a pod's READY, STATUS and RESTARTS."""

from __future__ import annotations

import pytest

from podrun.api import kinds, objects, tables
from podrun.api.objects import ContainerState, ContainerStatus, Pod, PodStatus
from podrun.api.pod_summary import summarize

START = "2026-01-01T00:00:00Z"
NOW = 1767225600.0 + 200  # START and 200 s

RUNNING = ContainerState(running=objects.ContainerStateRunning(started_at=START))


def waiting(reason: str) -> ContainerState:
    return ContainerState(waiting=objects.ContainerStateWaiting(reason=reason))


def ended(code: int, reason: str = "", signal: int = 0) -> ContainerState:
    return ContainerState(
        terminated=objects.ContainerStateTerminated(exit_code=code, reason=reason, signal=signal, finished_at=START)
    )


def container(name: str, state: ContainerState, **fields: object) -> ContainerStatus:
    return ContainerStatus(name=name, state=state, **fields)  # type: ignore[arg-type]


def pod(phase: str, *regular: ContainerStatus, init: tuple[ContainerStatus, ...] = (), **fields: object) -> Pod:
    spec = objects.PodSpec(
        containers=tuple(objects.Container(name=each.name) for each in regular),
        init_containers=tuple(
            objects.Container(name=each.name, restart_policy="Always" if each.name.startswith("sidecar") else None)
            for each in init
        ),
    )
    status = PodStatus(phase=phase, container_statuses=regular, init_container_statuses=init, **fields)  # type: ignore[arg-type]
    return Pod(metadata=objects.ObjectMeta(name="web", creation_timestamp=START), spec=spec, status=status)


READY = (objects.PodCondition(type="Ready", status="True"),)
INITIALIZED = (objects.PodCondition(type="Initialized", status="True"),)
GATED = (objects.PodCondition(type="PodScheduled", status="False", reason="SchedulingGated"),)
UP = container("a", RUNNING, ready=True)
NEW = container("a", waiting("PodInitializing"))


@pytest.mark.parametrize(
    ("found", "ready", "status"),
    [
        (pod("Pending", container("a", waiting("ContainerCreating"))), "0/1", "ContainerCreating"),
        (pod("Running", UP), "1/1", "Running"),
        (pod("Running", container("a", RUNNING)), "0/1", "Running"),
        (pod("Running", UP, container("b", waiting("CrashLoopBackOff"))), "1/2", "CrashLoopBackOff"),
        (pod("Running", container("a", ended(0, "Completed")), UP, conditions=READY), "1/2", "Running"),
        (pod("Running", container("a", ended(0, "Completed")), UP), "1/2", "NotReady"),
        (pod("Succeeded", container("a", ended(0, "Completed"))), "0/1", "Completed"),
        (pod("Failed", container("a", ended(3))), "0/1", "ExitCode:3"),
        (pod("Failed", container("a", ended(137, signal=9))), "0/1", "Signal:9"),
        (pod("Failed", container("a", ended(137, "OOMKilled"))), "0/1", "OOMKilled"),
        (pod("Failed", reason="Evicted"), "0/0", "Evicted"),
        (pod("Pending", NEW, init=(container("i", RUNNING),)), "0/1", "Init:0/1"),
        (pod("Pending", NEW, init=(container("i", ended(0)), container("j", RUNNING))), "0/1", "Init:1/2"),
        (pod("Pending", NEW, init=(container("i", waiting("CrashLoopBackOff")),)), "0/1", "Init:CrashLoopBackOff"),
        (pod("Pending", NEW, init=(container("i", ended(1, "Error")),)), "0/1", "Init:Error"),
        (pod("Pending", NEW, init=(container("i", ended(2)),)), "0/1", "Init:ExitCode:2"),
        (pod("Pending", NEW, init=(container("i", ended(1, signal=9)),)), "0/1", "Init:Signal:9"),
        (pod("Pending", NEW, init=(container("i", ended(0)),)), "0/1", "PodInitializing"),
        (pod("Running", UP, init=(container("sidecar", RUNNING, started=True, ready=True),)), "2/2", "Running"),
        (pod("Running", UP, init=(container("i", waiting("x")),), conditions=INITIALIZED), "1/1", "Init:x"),
        (pod("Pending", NEW, init=(container("i", waiting("ErrImagePull")),)), "0/1", "Init:ErrImagePull"),
        (pod("Pending", NEW, init=(container("i", waiting("PodInitializing")),)), "0/1", "Init:0/1"),
        (pod("Pending", NEW, init=(container("sidecar", RUNNING, started=False),)), "0/2", "Init:0/1"),
        (pod("Pending", conditions=GATED), "0/0", "SchedulingGated"),
        (pod("Failed", reason="DeadlineExceeded"), "0/0", "DeadlineExceeded"),
        (pod("Failed", container("a", ended(143, "Error")), reason="DeadlineExceeded"), "0/1", "Error"),
    ],
)  # fmt: skip
def test_ready_and_status_follow_kubernetes(found: Pod, ready: str, status: str) -> None:
    summary = summarize(found)
    assert (f"{summary.ready}/{summary.total}", summary.status) == (ready, status)


def deleted(found: Pod, reason: str = "") -> Pod:
    return objects.Pod(
        metadata=objects.ObjectMeta(deletion_timestamp=START),
        spec=found.spec,
        status=PodStatus(phase=found.status.phase, reason=reason, container_statuses=found.status.container_statuses),
    )


def test_a_pod_on_its_way_out_is_terminating_unless_it_has_ended() -> None:
    assert summarize(deleted(pod("Running", UP))).status == "Terminating"
    assert summarize(deleted(pod("Succeeded", container("a", ended(0, "Completed"))))).status == "Completed"
    assert summarize(deleted(pod("Running", UP), "NodeLost")).status == "Unknown"


def test_restarts_say_how_long_ago() -> None:
    found = pod("Running", container("a", RUNNING, restart_count=3, last_state=ended(1)), UP)
    assert summarize(found).restarts_text(NOW) == "3 (3m20s ago)"
    assert summarize(pod("Running", UP)).restarts_text(NOW) == "0"


def test_restarts_of_init_containers_count_only_while_initializing() -> None:
    init = container("i", waiting("CrashLoopBackOff"), restart_count=2)
    assert summarize(pod("Pending", NEW, init=(init,))).restarts == 2
    done = container("i", ended(0), restart_count=2)
    side = container("sidecar", RUNNING, started=True, restart_count=4)
    assert summarize(pod("Running", UP, init=(done, side))).restarts == 4


def test_pods_have_kubectls_columns() -> None:
    found = tables.table("Pod", [pod("Running", UP, pod_ip="10.0.0.1")], NOW, "7")
    shown = [(column.name, column.priority) for column in found.column_definitions]
    assert shown == [
        ("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0),
        ("IP", 1), ("Node", 1), ("Nominated Node", 1), ("Readiness Gates", 1),
    ]  # fmt: skip
    assert found.rows[0].cells == ("web", "1/1", "Running", "0", "3m20s", "10.0.0.1", "<none>", "<none>", "<none>")
    assert found.metadata.resource_version == "7"
    assert b'"object":{"kind":"PartialObjectMetadata"' in kinds.to_json(found)


def test_nodes_and_events_have_kubectls_columns() -> None:
    node = objects.Node(
        metadata=objects.ObjectMeta(name="n", creation_timestamp=START, labels={"node-role.kubernetes.io/control": ""}),
        spec=objects.NodeSpec(unschedulable=True),
        status=objects.NodeStatus(
            conditions=(objects.NodeCondition(type="Ready", status="True"),),
            addresses=(objects.NodeAddress(type="InternalIP", address="10.0.0.1"),),
            node_info=objects.NodeSystemInfo(kubelet_version="v1", os_image="Debian"),
        ),
    )
    assert tables.table("Node", [node], NOW).rows[0].cells[:8] == (
        "n", "Ready,SchedulingDisabled", "control", "3m20s", "v1", "10.0.0.1", "<none>", "Debian"
    )  # fmt: skip
    event = objects.Event(
        metadata=objects.ObjectMeta(name="web.1"),
        involved_object=objects.ObjectReference(kind="Pod", name="web"),
        reason="Started", message="Started container a", type="Normal", count=4,
        first_timestamp=START, last_timestamp=START, source=objects.EventSource(component="kubelet", host="n"),
    )  # fmt: skip
    assert tables.table("Event", [event], NOW).rows[0].cells == (
        "3m20s", "Normal", "Started", "pod/web", "", "kubelet, n", "Started container a", "3m20s", 4, "web.1"
    )  # fmt: skip


def test_a_service_account_is_shown_with_its_secrets() -> None:
    account = objects.ServiceAccount(metadata=objects.ObjectMeta(name="default"))
    assert tables.table("ServiceAccount", [account], NOW).rows[0].cells == ("default", 0, "<unknown>")
