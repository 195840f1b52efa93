"""Many pods with two containers each: started at once, what they hold, what they cost idle, and what a look takes.

podman starts its 50 once, since that takes long; it has the same 50 while the commands alternate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.measuring import Alternation, Row, show
from bench.peers import run
from bench.processes import cpu_seconds, monitors, pss
from bench.stage import Stage
from tests.pod.instance import COMMAND

COUNT, MOST = 50, 110
SETTLING, WATCHED = 10.0, 60.0  # seconds


def measure(stage: Stage) -> Iterator[Row]:
    count, most = (10, 20) if stage.quick else (COUNT, MOST - 1)  # a node takes 110, and one is resident
    yield _row(most, {"podrun": _starts(stage, most, 2 if stage.quick else 3)})
    names = _names(count)
    manifest = stage.manifest(*names)
    own = _starts(stage, count, 2 if stage.quick else 5, keep=True)
    yield from _held(stage, names)
    yield _idle(stage, names)
    theirs = stage.podman.run("play", "kube", manifest).milliseconds
    show(f"  podman: {theirs:.0f} ms")
    yield _row(count, {"podrun": own, "podman play kube": [theirs]})
    yield _their_memory(stage, count)
    yield from _commands(stage, names[0], count)
    _discard(stage, names)
    stage.podman.remove_pods(names)


def _row(count: int, samples: dict[str, list[float]]) -> Row:
    note = "One file, one request. podman: the same file, once; it works through it one pod after the other."
    beside = len(samples) > 1
    text = f"{count} two-container pods at once until all are Ready"
    return Row(text, "ms", samples, "1/10 of podman" if beside else "", note if beside else "")


def _names(count: int) -> list[str]:
    return [f"many-{number}" for number in range(count)]


def _starts(stage: Stage, count: int, rounds: int, *, keep: bool = False) -> list[float]:
    """Milliseconds each; with `keep` the last ones stay."""
    names = _names(count)
    manifest = stage.manifest(*names)
    taken = []
    for number in range(rounds):
        taken.append(stage.node.start_pods(manifest, count))
        show(f"  podrun, {count} pods, {number + 1}/{rounds}: {taken[-1]:.0f} ms")
        if not keep or number + 1 < rounds:
            _discard(stage, names)
    return taken


def _discard(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.node.discard(name)
    stage.node.wait_gone(*names, seconds=120)


def _parts(stage: Stage, names: Sequence[str]) -> dict[str, list[int]]:
    """The process ids of what podrun itself runs."""
    assert stage.node.kubelet is not None
    pods = [stage.node.pod(name) for name in names]
    return {
        "kubelet": [stage.node.kubelet.pid],
        "fork server": [stage.node.fork_server_pid()],
        "shims": [stage.node.shim_pid(pod) for pod in pods],
        "pauses": [stage.node.pause_pid(pod) for pod in pods],
    }


def _held(stage: Stage, names: Sequence[str]) -> Iterator[Row]:
    held = {part: [pss(pid) for pid in pids] for part, pids in _parts(stage, names).items()}
    count = len(names)
    text = f"memory all in, {count} two-container pods running"
    yield Row(text, "MiB", {"podrun": [sum(map(sum, held.values()))]}, "200", "PSS without the pods' own programs.")
    yield Row("of this, the kubelet", "MiB", {"podrun": held["kubelet"]})
    yield Row("the fork server", "MiB", {"podrun": held["fork server"]})
    yield Row("each shim", "MiB", {"podrun": held["shims"]})
    yield Row("each pause", "MiB", {"podrun": held["pauses"]})


def _their_memory(stage: Stage, count: int) -> Row:
    """podman's side of the same: nothing of it runs but these."""
    own = [pss(pid) for pid in monitors(str(stage.podman.directory))]
    pauses = [pss(container["Pid"]) for container in stage.podman.containers() if container["IsInfra"]]
    show(f"  podman: conmon {sum(own):.1f} MiB, catatonit {sum(pauses):.1f} MiB")
    shims = [_of_pod(stage, name) for name in _names(count)]
    return Row(
        "memory for each of these pods",
        "MiB",
        {"shim, pause": shims, "3 conmon, catatonit": [(sum(own) + sum(pauses)) / (count + 1)]},  # one is resident
    )


def _of_pod(stage: Stage, name: str) -> float:
    pod = stage.node.pod(name)
    return pss(stage.node.shim_pid(pod)) + pss(stage.node.pause_pid(pod))


def _idle(stage: Stage, names: Sequence[str]) -> Row:
    pids = [pid for part in _parts(stage, names).values() for pid in part]
    time.sleep(1 if stage.quick else SETTLING)
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(5 if stage.quick else WATCHED)
    share = 100 * (cpu_seconds(pids) - before) / (time.monotonic() - began)
    note = f"Kubelet, fork server, shims and pauses together, over {WATCHED:.0f} s."
    return Row(f"idle, {len(names)} pods without probes: share of one core", "%", {"podrun": [share]}, "0.5", note)


def _commands(stage: Stage, name: str, count: int) -> Iterator[Row]:
    node, podman = stage.node, stage.podman

    def command(*words: str | Path) -> float:
        return run([COMMAND, *words], node.environment).milliseconds

    listed = {
        "podrun": lambda: command("get", "pods"),
        "podman ps": lambda: podman.run("ps").milliseconds,
    }
    executed = {
        "podrun": lambda: command("exec", name, "-c", "one", "--", "/bin/true"),
        "podman exec": lambda: podman.run("exec", f"{name}-one", "/bin/true").milliseconds,
    }
    rounds = stage.rounds
    yield Row(f"`get pods` with {count} pods, whole process", "ms", Alternation(rounds).run(listed).samples, "100 ms")
    yield Row("`exec NAME -- true`, whole process", "ms", Alternation(rounds).run(executed).samples, "75 ms")
