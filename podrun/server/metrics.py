"""/metrics, /metrics/resource and /metrics/probes with the kubelet's names (pkg/kubelet/metrics).

What is measured while the kubelet runs, and what is left out on purpose, is in kubelet/measures.py.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from operator import itemgetter
from pathlib import Path

from aiohttp import web

import podrun
from podrun.api import exposition, objects, times
from podrun.api.exposition import Family
from podrun.api.instruments import histogram_family
from podrun.kubelet import static_manifests
from podrun.kubelet.meter import Reading
from podrun.server import context


async def own(request: web.Request) -> web.StreamResponse:
    """Of the kubelet itself, and how many pods and containers it has."""
    server = context.of(request)
    pods, _ = server.store.list(objects.Pod, None)
    states = Counter(state for pod in pods for state in _states(pod))
    going = [pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed")]
    running = sum(pod.status.phase == "Running" for pod in pods)
    return _answer(
        [
            Family("kubelet_node_name", "gauge", "The node's name. The count is always 1.",
                   (((("node", server.agent.node_name),), 1),)),
            Family("kubelet_desired_pods", "gauge",
                   "The number of pods the kubelet is being instructed to run. "
                   "static is true if the pod is not from the apiserver.",
                   _by_origin([pod for pod in pods if pod.metadata.deletion_timestamp is None])),
            Family("kubelet_active_pods", "gauge",
                   "The number of pods the kubelet considers active and which are being considered when admitting new "
                   "pods. static is true if the pod is not from the apiserver.", _by_origin(going)),
            Family("kubelet_managed_ephemeral_containers", "gauge",
                   "Current number of ephemeral containers in pods managed by this kubelet.",
                   (((), sum(len(pod.spec.ephemeral_containers) for pod in pods)),)),
            Family("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox", (((), running),)),
            Family("kubelet_running_containers", "gauge", "Number of containers currently running",
                   tuple(((("container_state", state),), count) for state, count in sorted(states.items()))),
            Family("podrun_container_restarts", "gauge", "Restarts of the containers that are there",
                   tuple(sample for pod in pods for sample in _restarts(pod))),
            Family("kubernetes_build_info", "gauge", "A metric with a constant '1' value labeled by version.",
                   (((("git_version", f"v{podrun.__version__}"),), 1),)),
            *server.agent.measures.families(),
            *_process(),
        ]
    )  # fmt: skip


async def resource(request: web.Request) -> web.StreamResponse:
    """What containers, pods and the node have taken so far."""
    server = context.of(request)
    pods, _ = server.store.list(objects.Pod, None)
    reading = await server.agent.reading()
    return _answer(resource_families(pods, reading))


async def probes(request: web.Request) -> web.StreamResponse:
    """How often probes have succeeded and failed, counted since the kubelet began, and how long they took."""
    server = context.of(request)
    pods, _ = server.store.list(objects.Pod, None)
    known = {pod.metadata.uid: pod.metadata for pod in pods}
    samples = tuple(
        (
            (
                *(("probe_type", kind.capitalize()), ("result", result), ("container", container)),
                *(("pod", known[uid].name), ("namespace", known[uid].namespace), ("pod_uid", uid)),
            ),
            count,
        )
        for (uid, container, kind, result), count in sorted(server.agent.probe_counts().items())
        if uid in known
    )
    text = "Cumulative number of a liveness, readiness or startup probe for a container by result."
    durations = (
        (
            (
                *(("probe_type", kind.capitalize()), ("container", container)),
                *(("pod", known[uid].name), ("namespace", known[uid].namespace)),
            ),
            histogram,
        )
        for (uid, container, kind), histogram in sorted(server.agent.probe_durations().items(), key=itemgetter(0))
        if uid in known
    )
    name, shown = "prober_probe_duration_seconds", "Duration in seconds for a probe response."
    return _answer([Family("prober_probe_total", "counter", text, samples), histogram_family(name, shown, durations)])


def resource_families(pods: list[objects.Pod], reading: Reading) -> list[Family]:
    metadata = {pod.metadata.uid: pod.metadata for pod in pods}
    rows = [
        ((("container", name), ("namespace", metadata[uid].namespace), ("pod", metadata[uid].name)), figures)
        for (uid, name), figures in sorted(reading.containers.items())
        if uid in metadata
    ]
    whole: dict[tuple[tuple[str, str], ...], tuple[int, int]] = {}
    for labels, figures in rows:
        cpu, memory = whole.get(labels[1:], (0, 0))
        whole[labels[1:]] = (cpu + figures.cpu_usage_us, memory + figures.working_set)
    started = tuple(sample for pod in pods for sample in _starts(pod))
    spent, taken = "Cumulative cpu time consumed by the {} in core-seconds", "Current working set of the {} in bytes"
    return [
        Family("container_cpu_usage_seconds_total", "counter", spent.format("container"),
               tuple((labels, one.cpu_usage_us / 1e6) for labels, one in rows)),
        Family("container_memory_working_set_bytes", "gauge", taken.format("container"),
               tuple((labels, one.working_set) for labels, one in rows)),
        Family("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds",
               started),
        Family("node_cpu_usage_seconds_total", "counter", spent.format("node"),
               (((), reading.machine.cpu_usage_us / 1e6),)),
        Family("node_memory_working_set_bytes", "gauge", taken.format("node"), (((), reading.machine.working_set),)),
        Family("pod_cpu_usage_seconds_total", "counter", spent.format("pod"),
               tuple((labels, used / 1e6) for labels, (used, _) in whole.items())),
        Family("pod_memory_working_set_bytes", "gauge", taken.format("pod"),
               tuple((labels, used) for labels, (_, used) in whole.items())),
        Family("resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise",
               (((), 0),)),
    ]  # fmt: skip


def _by_origin(pods: list[objects.Pod]) -> tuple[tuple[exposition.Labels, float], ...]:
    static = sum(static_manifests.is_ours(pod) for pod in pods)
    return ((("static", ""),), len(pods) - static), ((("static", "true"),), static)


def _states(pod: objects.Pod) -> list[str]:
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return ["running" if one.state.running else "exited" if one.state.terminated else "created" for one in every]


def _restarts(pod: objects.Pod) -> list[tuple[exposition.Labels, float]]:
    metadata = pod.metadata
    return [
        ((("container", one.name), ("namespace", metadata.namespace), ("pod", metadata.name)), one.restart_count)
        for one in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    ]


def _starts(pod: objects.Pod) -> list[tuple[exposition.Labels, float]]:
    metadata = pod.metadata
    return [
        (
            (("container", one.name), ("namespace", metadata.namespace), ("pod", metadata.name)),
            times.unix_seconds(one.state.running.started_at),
        )
        for one in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        if one.state.running and one.state.running.started_at
    ]


def _process() -> list[Family]:
    """As every client library of Prometheus names them."""
    words = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return [
        Family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
               (((), (int(words[11]) + int(words[12])) / ticks),)),
        Family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
               (((), int(words[21]) * os.sysconf("SC_PAGE_SIZE")),)),
        Family("process_open_fds", "gauge", "Number of open file descriptors.",
               (((), len(os.listdir("/proc/self/fd"))),)),
        Family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
               (((), round(booted + int(words[19]) / ticks, 2)),)),
    ]  # fmt: skip


def _answer(families: list[Family]) -> web.Response:
    headers = {"Content-Type": exposition.CONTENT_TYPE}
    return web.Response(body=exposition.text(families).encode(), headers=headers)
