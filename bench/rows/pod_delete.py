"""Deleting a pod with two containers whose programs exit at SIGTERM, until nothing of it is left."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measuring import Alternation, Row
from bench.stage import Stage


def measure(stage: Stage) -> Iterator[Row]:
    manifest = stage.manifest("pod")

    def deleted() -> float:
        stage.node.start_pods(manifest)
        return stage.node.delete_pod("pod")

    def removed() -> float:
        stage.podman.run("play", "kube", manifest)
        return stage.podman.run("pod", "rm", "--force", "pod").milliseconds

    samples = Alternation(stage.rounds).run({"podrun": deleted, "podman pod rm -f": removed}).samples
    yield Row(
        "delete of a two-container pod, server side: request → DELETED seen in a watch",
        "ms",
        samples,
        "60 ms",
        "With cgroup v1, podman tries for three seconds to remove the pod's cgroup; the rest is 0.5 s.",
    )
