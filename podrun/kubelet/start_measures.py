"""How one pod and its containers came up, measured for measures.py."""

from __future__ import annotations

import time

from podrun.api import objects, times
from podrun.kubelet.happenings import Happening, ImageFailed, LaunchRefused, PostStartReturned
from podrun.kubelet.measures import Measures
from podrun.shim.facts import Numbered, StartFailed


class StartMeasures:
    """A pod that was `adopted` came up with an earlier kubelet: when, nobody knows."""

    def __init__(self, measures: Measures, *, adopted: bool) -> None:
        self._measures = measures
        self._adopted = adopted
        self._seen_at = time.monotonic()
        self._phase = ""
        self._is_up = False

    def begun(self) -> None:
        """The pod's worker works."""
        self._measures.pod_worker_start.of().observe(time.monotonic() - self._seen_at)

    def shown(self, pod: objects.Pod, status: objects.PodStatus) -> None:
        """Everybody can see this status now."""
        if self._adopted:
            return
        if status.phase == "Running" != self._phase:
            self._measures.pod_start.of().observe(time.monotonic() - self._seen_at)
        self._phase = status.phase
        statuses = status.container_statuses
        if not self._is_up and statuses and all(container.state.running for container in statuses):
            self._is_up = True
            created = times.unix_seconds(pod.metadata.creation_timestamp or "")
            self._measures.pod_start_total.of().observe(time.time() - created)

    def starting(self, pod: objects.Pod, container: str) -> None:
        self._measures.started_containers.add(_type(pod.spec, container))

    def happened(self, pod: objects.Pod, event: Happening) -> None:
        """Counts the starts that have failed."""
        match event:
            case ImageFailed(container=container, reason=code) | LaunchRefused(container=container, reason=code):
                pass
            case Numbered(fact=StartFailed(container=container)):
                code = "RunContainerError"
            case PostStartReturned(container=container, failure=failure) if failure:
                code = "PostStartHookError"
            case _:
                return
        self._measures.started_containers_errors.add(_type(pod.spec, container), code)


def _type(spec: objects.PodSpec, container: str) -> str:
    """As kubelets call it."""
    if any(each.name == container for each in spec.init_containers):
        return "init_container"
    return "container" if any(each.name == container for each in spec.containers) else "ephemeral_container"
