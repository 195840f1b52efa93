"""Which container of a pod a request means, and what its status says; errors in Kubernetes' words. Pure."""

from __future__ import annotations

from podrun.api import objects, status_errors
from podrun.kubelet import outcomes


def choose(pod: objects.Pod, wanted: str) -> str:
    """The container's name. StatusError: there is no such one, or none was named and there are several."""
    names = [container.name for container in pod.spec.containers]
    init = [container.name for container in pod.spec.init_containers]
    ephemeral = [container.name for container in pod.spec.ephemeral_containers]
    name = pod.metadata.name
    if not wanted:
        if len(names) == 1:
            return names[0]
        choices = f"choose one of: [{' '.join(names)}]"
        if init:
            choices += f" or one of the init containers: [{' '.join(init)}]"
        raise status_errors.bad_request(f"a container name must be specified for pod {name}, {choices}")
    if wanted not in (*names, *init, *ephemeral):
        raise status_errors.bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def status(pod: objects.Pod, container: str) -> objects.ContainerStatus | None:
    every = (
        *pod.status.container_statuses,
        *pod.status.init_container_statuses,
        *pod.status.ephemeral_container_statuses,
    )
    return next((one for one in every if one.name == container), None)


def logged_attempt(pod: objects.Pod, container: str, *, previous: bool) -> int:
    """Number of the run whose log is meant: the newest one, or with `previous` the one before it that has ended.

    StatusError: it has not run yet, in the words of the kubelet (pkg/kubelet, validateContainerLogStatus).
    """
    found = status(pod, container)
    who = f'container "{container}" in pod "{pod.metadata.name}"'
    if found is None:
        if previous:
            raise status_errors.bad_request(f"previous terminated {who} not found")
        raise status_errors.bad_request(f"{who} is waiting to start: ContainerCreating")
    state, last = found.state, found.last_state.terminated
    has_last = last is not None and bool(last.container_id)
    has_run = state.running is not None or (state.terminated is not None and bool(state.terminated.container_id))
    if previous:
        if not has_last:
            raise status_errors.bad_request(f"previous terminated {who} not found")
        return found.restart_count - 1 if has_run else found.restart_count
    if has_run or has_last:
        return found.restart_count
    if state.terminated is not None or last is not None:
        raise status_errors.bad_request(f"{who} is terminated")
    raise status_errors.bad_request(f"{who} is waiting to start{_why_waiting(state.waiting)}")


def _why_waiting(waiting: objects.ContainerStateWaiting | None) -> str:
    match waiting.reason if waiting else "":
        case "":
            return " - no logs yet"
        case "ErrImagePull":
            return ": image can't be pulled"
        case "ImagePullBackOff":
            return ": trying and failing to pull image"
        case reason:
            return f": {reason}"


def is_over(pod: objects.Pod | None, container: str, attempt: int) -> bool:
    """Whether a run writes nothing more to its log."""
    found = status(pod, container) if pod is not None else None
    if found is None or found.restart_count > attempt:
        return True
    return found.restart_count == attempt and found.state.running is None


def newer_attempt(pod: objects.Pod, container: str, attempt: int) -> int | None:
    """The run that has begun since."""
    found = status(pod, container)
    if found is None or found.restart_count <= attempt or found.state.waiting is not None:
        return None
    return found.restart_count


def runs_again(pod: objects.Pod, container: str) -> bool:
    """Whether the container runs, or will once more."""
    found = status(pod, container)
    if found is None or pod.metadata.deletion_timestamp is not None or pod.status.phase in ("Succeeded", "Failed"):
        return False
    ended = found.state.terminated
    spec = next((one for one in (*pod.spec.init_containers, *pod.spec.containers) if one.name == container), None)
    if ended is None or spec is None:
        return ended is None
    return outcomes.restarts_after(pod.spec, spec, ended.exit_code, init=spec in pod.spec.init_containers)


def check_exec(pod: objects.Pod, container: str, what: str = "exec into") -> None:
    """StatusError: nothing can be executed in this container now, nor can it be attached to."""
    if pod.status.phase in ("Succeeded", "Failed"):
        message = f"cannot {what} a container in a completed pod; current phase is {pod.status.phase}"
        raise status_errors.bad_request(message)
    if not pod.spec.node_name:
        raise status_errors.bad_request(f"pod {pod.metadata.name} does not have a host assigned")
    found = status(pod, container)
    if found is None or found.state.running is None:
        raise status_errors.StatusError(404, "NotFound", f'container not found ("{container}")')
