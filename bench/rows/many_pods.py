"""Many pods with two containers each, asked for at once, until all of them are Ready."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measuring import Row, show
from bench.stage import Stage

COUNTS = (50,)


def measure(stage: Stage) -> Iterator[Row]:
    for count in COUNTS:
        yield _row(stage, count)


def _row(stage: Stage, count: int) -> Row:
    names = [f"many-{number}" for number in range(count)]
    manifest = stage.manifest(*names)
    own = []
    for number in range(1 if stage.quick else 10):
        own.append(stage.node.start_pods(manifest, count))
        for name in names:
            stage.node.discard(name)
        stage.node.wait_gone(*names, seconds=60)
        show(f"  podrun {number}: {own[-1]:.0f} ms")
    theirs = [stage.podman.run("play", "kube", manifest).milliseconds]  # one run: it takes minutes to remove them
    show(f"  podman: {theirs[0]:.0f} ms")
    stage.podman.run("pod", "rm", "--force", "--time", "0", *names)
    return Row(
        f"{count} two-container pods at once until all are Ready",
        "ms",
        {"podrun": own, "podman play kube": theirs},
        "1/10 of podman",
        "podrun: one file, one request. podman: the same file, once; it works through it one pod after the other.",
    )
