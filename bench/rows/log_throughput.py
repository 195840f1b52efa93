"""One container that writes as fast as it can: how much its collector takes in a second, and what that costs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Row, show
from bench.peers import IMAGE
from bench.processes import cpu_seconds, monitors
from bench.stage import Stage, pod_of
from tests import wait

MEGABYTES = 300
NAME = "flood"


def measure(stage: Stage) -> Iterator[Row]:
    megabytes = 30 if stage.quick else MEGABYTES
    rounds = 2 if stage.quick else 10
    rates: dict[str, list[float]] = {"podrun": [], "podman, conmon": []}
    costs: dict[str, list[float]] = {"podrun": [], "podman, conmon": []}
    for number in range(rounds + 1):
        for who, flooded in (("podrun", _podrun), ("podman, conmon", _podman)):
            rate, cost = flooded(stage, megabytes)
            if number:  # the first round warms up
                rates[who].append(rate)
                costs[who].append(cost)
        show(f"  round {number}/{rounds}")
    note = (
        f"{megabytes} MB in lines of 100 bytes, so 10 000 lines to a MB. podrun writes the CRI format and rotates at "
        "10 MiB; conmon writes the same format (k8s-file) and never rotates."
    )
    yield Row("log of one container (more is better)", "MB/s", rates, "faster", note)
    yield Row("the same: CPU time of the collector for each MB", "ms", costs, "less")


def _podrun(stage: Stage, megabytes: int) -> tuple[float, float]:
    node = stage.node
    node.submit(pod_of(NAME, "/bin/flood", str(megabytes)))
    pod = node.wait_for(NAME, lambda pod: pod["status"].get("phase") == "Running", "to run")
    meta = pod["metadata"]
    log = node.paths.pod_log_dir(meta["namespace"], meta["name"], meta["uid"]) / "main" / "0.log"
    shim = node.shim_pid(pod)
    rate = megabytes / _seconds(log)
    cost = cpu_seconds([shim])
    node.delete_pod(NAME)
    return rate, 1000 * cost / megabytes


def _podman(stage: Stage, megabytes: int) -> tuple[float, float]:
    log = stage.directory / "flood.log"
    log.unlink(missing_ok=True)
    options = ("--name", NAME, "--log-driver", "k8s-file", "--log-opt", f"path={log}")
    stage.podman.run("run", "--detach", *options, IMAGE, "/bin/flood", str(megabytes))
    rate = megabytes / _seconds(log)
    cost = cpu_seconds(monitors(str(log)))
    stage.podman.run("rm", "--force", "--time", "0", NAME)
    return rate, 1000 * cost / megabytes


def _seconds(log: Path) -> float:
    """That the program wrote for, when it has written its last line."""
    said: list[str] = []

    def has_ended() -> bool:
        try:
            file = log.open("rb")
        except FileNotFoundError:  # not there yet, or being rotated
            return False
        with file:
            file.seek(max(os.fstat(file.fileno()).st_size - 200, 0))
            said[:] = file.read().decode().partition(" flood ")[2].split()
        return len(said) == 2

    wait.wait_until(has_ended, "the flood to end", 120, step=0.02)
    return (int(said[1]) - int(said[0])) / 1e9
