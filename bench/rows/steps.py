"""Where the time of a pod's start goes: the same start with clocks in kubelet and shim, which cost it about 2 ms."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Row, show
from bench.podrun_node import Node
from bench.stage import IMAGE, Stage, pod_text

Spans = dict[str, list[tuple[int, int]]]


def measure(stage: Stage) -> Iterator[Row]:
    directory = stage.directory / "traced"
    directory.mkdir()
    trace = directory / "trace"
    node = TracedNode(directory, trace)
    manifest = directory / "pod.yaml"
    manifest.write_text(pod_text("pod"))
    found: dict[str, list[float]] = defaultdict(list)
    with node:
        node.import_image(stage.root, IMAGE)
        resident = directory / "resident.yaml"
        resident.write_text(pod_text("resident"))
        node.start_pods(resident)
        for number in range(stage.rounds + 1):
            trace.write_text("")
            whole = node.start_pods(manifest)
            asked, spans = node.asked, _spans(trace)
            node.delete_pod("pod")
            if number:
                for step, milliseconds in _steps(spans, asked, whole).items():
                    found[step].append(milliseconds)
        show(f"  {stage.rounds} traced starts")
    note = "With clocks in kubelet and shim, in a node of its own; the two containers start at the same time."
    for number, (step, samples) in enumerate(found.items()):
        yield Row(f"step of a pod start: {step}", "ms", {"podrun": samples}, note="" if number else note)


class TracedNode(Node):
    def __init__(self, directory: Path, trace: Path) -> None:
        super().__init__(directory)
        self.kubelet_command = [sys.executable, "-I", "-m", "bench.traced", "kubelet", str(trace)]


def _spans(trace: Path) -> Spans:
    spans: Spans = defaultdict(list)
    for line in trace.read_text().splitlines():
        name, began, ended = line.split()
        spans[name].append((int(began), int(ended)))
    return spans


def _steps(spans: Spans, asked: int, whole: float) -> dict[str, float]:
    """Milliseconds, in the order of the start."""

    def length(name: str) -> float:
        """Of the longest one: of two at the same time, the one that is waited for."""
        return max((ended - began for began, ended in spans[name]), default=0) / 1e6

    def between(earlier: int, later: int) -> float:
        return (later - earlier) / 1e6

    make_began, make_ended = spans["_make"][0]
    pause = min(spans["ask"])
    plan_began = min(began for began, _ in spans["launch_plan"])
    launched = max(ended for _, ended in spans["_launch"])
    steps = {
        "request, YAML, validation, commit of the wish, worker": between(asked, make_began),
        "pod control group and limits": between(make_began, spans["fork"][0][0]),
        "fork server: shim forked, listening, journal": length("fork"),
        "hello, follow": length("_connect"),
        "sandbox: pause in new namespaces, empty root, privileges left": between(*pause),
        "network: veth pair, address, routes": length("connect"),
        "meanwhile, /etc files": length("write_etc"),
        "status, volumes, images until the first plan": between(make_ended, plan_began),
        "both containers: plans, log links, then asked until started": between(plan_began, launched),
        "status, commit, watch": whole - between(asked, launched),
    }
    inside = {
        "clone3": "clone",
        "join cgroups": "join_cgroups",
        "join the pod's namespaces": "join_pod_namespaces",
        "root: overlay, file systems, volumes, masked paths": "build_root",
        "enter root": "enter_root",
    }
    for text, name in inside.items():
        steps[f"in the container, {text}"] = length(f"container.{name}")
    known = sum(ended - began for name in inside.values() for began, ended in spans[f"container.{name}"][:1])
    births = list(zip(spans["container.clone"], spans["container.last"], strict=True))
    if births:
        steps["in the container, limits, user, streams, privileges, seccomp"] = (
            between(births[0][0][0], births[0][1][0]) - known / 1e6
        )
    steps["in the container, exec until the shim knows"] = length("container.last")
    return steps
