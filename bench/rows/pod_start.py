"""A pod with two containers: from the command or the request until it is Ready."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measuring import Alternation, Row
from bench.stage import Stage


def measure(stage: Stage) -> Iterator[Row]:
    manifest = stage.manifest("pod")
    node, podman = stage.node, stage.podman

    def served() -> float:
        milliseconds = node.start_pods(manifest)
        node.delete_pod("pod")
        return milliseconds

    def applied() -> float:
        milliseconds = node.timed_command("apply", "--wait", "-f", manifest)
        node.delete_pod("pod")
        return milliseconds

    def played() -> float:
        milliseconds = podman.run("play", "kube", manifest).milliseconds
        podman.run("pod", "rm", "--force", "--time", "0", "pod")
        return milliseconds

    samples = Alternation(stage.rounds).run({"podrun": applied, "server": served, "podman play kube": played}).samples
    server = samples.pop("server")
    yield Row(
        "two-container pod, `podrun apply --wait`, whole process",
        "ms",
        samples,
        "1/7 of podman",
        "The kubelet runs. podman has crun, netavark, no event log; its pod is not waited for beyond `play kube`.",
    )
    yield Row("the same, server side: request → Ready seen in a watch", "ms", {"podrun": server}, "30 ms")

    def cold() -> float:
        node.stop_kubelet()
        milliseconds = node.timed_command("apply", "--wait", "-f", manifest)
        node.delete_pod("pod")
        node.timed_command("system", "stop")
        node.start_kubelet()
        return milliseconds

    yield Row(
        "the same from cold: the command starts the kubelet first",
        "ms",
        Alternation(max(stage.rounds, 3)).run({"podrun": cold}).samples,
    )
