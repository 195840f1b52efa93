"""Which container is meant, which of its runs, and what is said when there is none."""

from __future__ import annotations

import pytest

from podrun.api import objects
from podrun.api.status_errors import StatusError
from podrun.server import containers

RUNNING = objects.ContainerState(running=objects.ContainerStateRunning())
ENDED = objects.ContainerState(terminated=objects.ContainerStateTerminated(container_id="podrun://1"))
NEVER_RAN = objects.ContainerState(terminated=objects.ContainerStateTerminated(exit_code=128))


def waiting(reason: str) -> objects.ContainerState:
    return objects.ContainerState(waiting=objects.ContainerStateWaiting(reason=reason))


def pod(
    *names: str,
    init: tuple[str, ...] = (),
    state: objects.ContainerState | None = None,
    last: objects.ContainerState | None = None,
    restarts: int = 0,
    phase: str = "Running",
) -> objects.Pod:
    statuses: tuple[objects.ContainerStatus, ...] = ()
    if state is not None:
        one = objects.ContainerStatus(
            name=names[0], state=state, last_state=last or objects.ContainerState(), restart_count=restarts
        )
        statuses = (one,)
    return objects.Pod(
        metadata=objects.ObjectMeta(name="web"),
        spec=objects.PodSpec(
            containers=tuple(objects.Container(name=name) for name in names),
            init_containers=tuple(objects.Container(name=name) for name in init),
            node_name="here",
        ),
        status=objects.PodStatus(phase=phase, container_statuses=statuses),
    )


def test_the_only_container_needs_no_name() -> None:
    assert containers.choose(pod("a"), "") == "a"
    assert containers.choose(pod("a", init=("b",)), "b") == "b"


@pytest.mark.parametrize(
    ("one", "wanted", "message"),
    [
        (pod("a", "b"), "", "a container name must be specified for pod web, choose one of: [a b]"),
        (
            pod("a", "b", init=("i",)),
            "",
            "a container name must be specified for pod web, choose one of: [a b] or one of the init containers: [i]",
        ),
        (pod("a"), "x", "container x is not valid for pod web"),
    ],
)
def test_a_wrong_choice_is_told_the_right_ones(one: objects.Pod, wanted: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        containers.choose(one, wanted)
    assert (refused.value.code, refused.value.message) == (400, message)


@pytest.mark.parametrize(
    ("state", "last", "restarts", "previous", "attempt"),
    [
        (RUNNING, None, 0, False, 0),
        (RUNNING, ENDED, 3, False, 3),
        (RUNNING, ENDED, 3, True, 2),
        (ENDED, None, 0, False, 0),
        (ENDED, ENDED, 2, True, 1),
        (waiting("CrashLoopBackOff"), ENDED, 2, False, 2),
        (waiting("CrashLoopBackOff"), ENDED, 2, True, 2),
    ],
)
def test_the_run_follows_from_the_status(
    state: objects.ContainerState, last: objects.ContainerState | None, restarts: int, previous: bool, attempt: int
) -> None:
    one = pod("a", state=state, last=last, restarts=restarts)
    assert containers.logged_attempt(one, "a", previous=previous) == attempt


@pytest.mark.parametrize(
    ("state", "previous", "message"),
    [
        (None, False, 'container "a" in pod "web" is waiting to start: ContainerCreating'),
        (None, True, 'previous terminated container "a" in pod "web" not found'),
        (RUNNING, True, 'previous terminated container "a" in pod "web" not found'),
        (waiting("PodInitializing"), False, 'container "a" in pod "web" is waiting to start: PodInitializing'),
        (waiting("ErrImagePull"), False, 'container "a" in pod "web" is waiting to start: image can\'t be pulled'),
        (
            waiting("ImagePullBackOff"),
            False,
            'container "a" in pod "web" is waiting to start: trying and failing to pull image',
        ),
        (objects.ContainerState(), False, 'container "a" in pod "web" is waiting to start - no logs yet'),
        (NEVER_RAN, False, 'container "a" in pod "web" is terminated'),
    ],
)
def test_a_container_without_a_log_says_why(state: objects.ContainerState | None, previous: bool, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        containers.logged_attempt(pod("a", state=state), "a", previous=previous)
    assert (refused.value.code, refused.value.message) == (400, message)


def test_a_run_is_over_when_it_has_ended_or_another_one_runs() -> None:
    assert not containers.is_over(pod("a", state=RUNNING, restarts=1), "a", 1)
    assert containers.is_over(pod("a", state=RUNNING, restarts=2), "a", 1)
    assert containers.is_over(pod("a", state=ENDED, restarts=1), "a", 1)
    assert containers.is_over(pod("a", state=waiting("CrashLoopBackOff"), restarts=1), "a", 1)
    assert containers.is_over(None, "a", 1)


def test_exec_needs_a_running_container() -> None:
    containers.check_exec(pod("a", state=RUNNING), "a")
    with pytest.raises(StatusError, match="cannot exec into a container in a completed pod; current phase is Failed"):
        containers.check_exec(pod("a", state=ENDED, phase="Failed"), "a")
    with pytest.raises(StatusError, match='container not found \\("a"\\)'):
        containers.check_exec(pod("a", state=waiting("CrashLoopBackOff")), "a")
