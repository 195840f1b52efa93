"""Probes: what many cost an idle kubelet, how soon a pod is Ready, how soon a failed one has brought a new process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.measuring import Row, show
from bench.peers import IMAGE
from bench.podrun_node import is_ready
from bench.stage import PROGRAM, Stage

Json = dict[str, Any]

PODS = 110
SETTLING = 15.0  # seconds until every probe has its rhythm
WATCHED = 30.0  # seconds, three periods
SERVE = ["sh", "-c", "trap 'exit 0' TERM; httpd -f -p 8080 -h /etc & wait"]


def measure(stage: Stage) -> Iterator[Row]:
    yield from idle_and_adoption(stage)
    yield start_to_ready(stage)
    yield threshold_to_process(stage)


def idle_and_adoption(stage: Stage) -> Iterator[Row]:
    """Two http probes in each pod; the resident pod, without probes, makes them 110."""
    count = 20 if stage.quick else PODS - 1
    every: Json = {"httpGet": {"path": "/hosts", "port": 8080}, "periodSeconds": 10, "timeoutSeconds": 5}
    names = [f"probed-{number}" for number in range(count)]
    made = [_pod(name, readinessProbe=every, livenessProbe=every, command=SERVE) for name in names]
    for start in range(0, count, 10):
        stage.node.submit(*made[start : start + 10])
        for name in names[start : start + 10]:
            stage.node.wait_for(name, is_ready, "to be ready", 120)
    show(f"  {count} pods are ready")
    time.sleep(SETTLING)
    share, memory, asked_each_second = _idle(stage)
    adopted = [_adopt(stage) for _ in range(1 if stage.quick else 5)]
    for name in names:
        stage.node.discard(name, grace=0)
    stage.node.wait_gone(*names, seconds=120)
    asked = f"{count} pods, two http probes each every 10 s"
    yield Row(
        f"idle kubelet, {asked}: share of one core",
        "%",
        {"podrun": [share]},
        "6",
        f"{asked_each_second:.1f} probes/s seen.",
    )
    yield Row("the same: resident memory", "MiB", {"podrun": [memory]})
    note = "From the start of a kubelet after SIGKILL until it serves, the interpreter's start and imports included."
    yield Row(f"adoption of {count} pods by a new kubelet", "ms", {"podrun": adopted}, "1000", note)


def _idle(stage: Stage) -> tuple[float, float, float]:
    """CPU share of one core in percent, RSS in MiB, and connections that were opened per second."""
    assert stage.node.kubelet is not None
    kubelet = psutil.Process(stage.node.kubelet.pid)
    before, opened, began = sum(kubelet.cpu_times()[:2]), _connections(), time.monotonic()
    time.sleep(WATCHED)
    used, opened = sum(kubelet.cpu_times()[:2]) - before, _connections() - opened
    took = time.monotonic() - began
    return 100 * used / took, kubelet.memory_info().rss / (1 << 20), opened / took


def _connections() -> int:
    """TCP connections ever opened from this network namespace, where nobody but the kubelet's prober opens any."""
    words, figures = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:4] == "Tcp:")
    return int(figures[words.index("ActiveOpens")])


def _adopt(stage: Stage) -> float:
    """Milliseconds; a server that answers has taken its pods over."""
    stage.node.kill_kubelet()
    began = time.monotonic()
    stage.node.start_kubelet()
    return 1000 * (time.monotonic() - began)


def start_to_ready(stage: Stage) -> Row:
    """A server that is up at once and is asked every second."""
    probe: Json = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    taken = []
    for number in range(stage.rounds):
        name = f"ready-{number}"
        path = stage.directory / f"{name}.json"
        path.write_text(json.dumps(_pod(name, readinessProbe=probe, command=SERVE)))
        taken.append(stage.node.start_pods(path))
        stage.node.delete_pod(name)
    return Row("one container with a readiness probe every 1 s: asked → Ready", "ms", {"podrun": taken}, "150")


def threshold_to_process(stage: Stage) -> Row:
    """From the last act of the failing probe to the first of the new run, both by CLOCK_MONOTONIC."""
    taken = [_restart(stage, f"failing-{number}") for number in range(stage.rounds)]
    note = "An exec probe that notes the time and fails; the program ends within 10 ms of SIGTERM."
    return Row("liveness threshold reached → new process runs", "ms", {"podrun": taken}, note=note)


def _restart(stage: Stage, name: str) -> float:
    marks = stage.directory / name
    marks.mkdir(mode=0o777)
    probe: Json = {
        "exec": {"command": ["sh", "-c", f"{PROGRAM} once > /marks/failed; exit 1"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "initialDelaySeconds": 1,
        "terminationGracePeriodSeconds": 1,
    }
    script = f"{PROGRAM} once >> /marks/started; trap 'exit 0' TERM; while true; do sleep 0.01; done"
    mounts = [{"name": "marks", "mountPath": "/marks"}]
    made = _pod(name, livenessProbe=probe, command=["sh", "-c", script], volumeMounts=mounts)
    made["spec"]["volumes"] = [{"name": "marks", "hostPath": {"path": str(marks)}}]
    stage.node.submit(made)
    stage.node.wait_for(name, lambda pod: len(_words(marks / "started")) > 1, "to run again", 30)
    started, failed = int(_words(marks / "started")[1]), int(_words(marks / "failed")[0])
    stage.node.delete_pod(name)
    return (started - failed) / 1e6


def _words(path: Path) -> Sequence[str]:
    return path.read_text().split() if path.exists() else ()


def _pod(name: str, **container: Any) -> Json:
    made = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent"} | container
    spec = {"containers": [made], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
