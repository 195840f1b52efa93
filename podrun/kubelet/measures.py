"""What a kubelet measures of itself, under the names that kubelets have (pkg/kubelet/metrics/metrics.go).

Deliberately not here, since podrun has no such thing: `pleg_*` and `evented_pleg_*` (shims tell what happens, nothing
is listed again), `device_plugin_*`, `pod_resources_endpoint_*`, `cpu_manager_*`, `memory_manager_*`,
`topology_manager_*`, `preemptions` (who names the node itself is rejected), `mirror_pods`, `orphan*_pod*` (a sweep at
the start removes them), `started_host_process_*` (Windows), `graceful_shutdown_*`, `node_startup_*` (a node is there
before its kubelet, which any command may start), `certificate_manager_*`, `credential_provider_*`, `http_*` of the
kubelet's port, `rest_client_*`, `workqueue_*`. Nor `pod_start_sli_duration_seconds`, which leaves out the time that
images take.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from podrun.api.exposition import Family
from podrun.api.instruments import Counter, Histograms, exponential_bounds

START_BOUNDS = (
    *(0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0),
    *(600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0),
)
STATUS_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0)
OPERATION = ("operation_type",)


class Measures:
    """On the event loop. Durations are in seconds."""

    def __init__(self) -> None:
        self.containers_per_pod = Histograms(
            "kubelet_containers_per_pod_count", "The number of containers per pod.", (), exponential_bounds(1, 2, 5)
        )
        self.pod_start = Histograms(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            (),
            START_BOUNDS,
        )
        self.pod_start_total = Histograms(
            "kubelet_pod_start_total_duration_seconds",
            "Duration in seconds to start a pod since creation, including time to pull images and run init containers, "
            "measured from pod creation timestamp to when all its containers are reported as started and observed via "
            "watch",
            (),
            START_BOUNDS,
        )
        self.pod_worker = Histograms(
            "kubelet_pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
            OPERATION,
        )
        self.pod_worker_start = Histograms(
            "kubelet_pod_worker_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod to starting a worker.",
        )
        self.status_sync = Histograms(
            "kubelet_pod_status_sync_duration_seconds",
            "Duration in seconds to sync a pod status update. Measures time from detection of a change to pod status "
            "until the API is successfully updated for that pod, even if multiple intevening changes to pod status "
            "occur.",
            (),
            STATUS_BOUNDS,
        )
        self.cgroups = Histograms(
            "kubelet_cgroup_manager_duration_seconds",
            "Duration in seconds for cgroup manager operations. Broken down by method.",
            OPERATION,
        )
        self.started_pods = Counter("kubelet_started_pods_total", "Cumulative number of pods started")
        self.started_pods_errors = Counter(
            "kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods"
        )
        self.started_containers = Counter(
            "kubelet_started_containers_total", "Cumulative number of containers started", ("container_type",)
        )
        self.started_containers_errors = Counter(
            "kubelet_started_containers_errors_total",
            "Cumulative number of errors when starting containers",
            ("container_type", "code"),
        )
        self.evictions = Counter(
            "kubelet_evictions", "Cumulative number of pod evictions by eviction signal", ("eviction_signal",)
        )
        self.images_collected = Counter(
            "kubelet_image_garbage_collected_total",
            "Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
            ("reason",),
        )
        self._operations = Counter(
            "kubelet_runtime_operations_total", "Cumulative number of runtime operations by operation type.", OPERATION
        )
        self._operation_errors = Counter(
            "kubelet_runtime_operations_errors_total",
            "Cumulative number of runtime operation errors by operation type.",
            OPERATION,
        )
        self._operation_durations = Histograms(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations. Broken down by operation type.",
            OPERATION,
            exponential_bounds(0.005, 2.5, 14),
        )
        self._sandboxes = Histograms(
            "kubelet_run_podsandbox_duration_seconds",
            "Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.",
            ("runtime_handler",),
        )
        self._sandbox_errors = Counter(
            "kubelet_run_podsandbox_errors_total",
            "Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.",
            ("runtime_handler",),
        )

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[Callable[[], None]]:
        """Around what a kubelet would ask of a container runtime; `name` as in CRI, e.g. `run_podsandbox`. It failed
        where it raises, or where what it gets is called."""
        began = time.monotonic()

        def failed() -> None:
            self._operation_errors.add(name)
            if name == "run_podsandbox":
                self._sandbox_errors.add("")

        try:
            yield failed
        except Exception:
            failed()
            raise
        finally:
            took = time.monotonic() - began
            self._operations.add(name)
            self._operation_durations.of(name).observe(took)
            if name == "run_podsandbox":
                self._sandboxes.of("").observe(took)

    @contextlib.contextmanager
    def cgroup(self, name: str) -> Iterator[None]:
        """Around what is done to the groups of a pod: create, update or destroy."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.cgroups.of(name).observe(time.monotonic() - began)

    def families(self) -> list[Family]:
        return [one.family() for one in vars(self).values() if isinstance(one, Counter | Histograms)]
