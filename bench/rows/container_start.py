"""One container more in a pod that runs: from the request until the program's first instruction.

podrun is asked on the shim's socket. crun and runc are run as whole processes, as an engine runs them, and join the
very same pause process; their root is a finished directory, while podrun mounts an overlay each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cgroups.limits import Limits
from podrun.container import defaults, plan
from podrun.shim import facts, messages

from bench.measuring import Alternation, Row
from bench.peers import OciRuntime
from bench.stage import PROGRAM, Stage
from tests.kernel import shim_client

ARGV = (PROGRAM, "once")


class Runs:
    """Of podrun: the newest one's times."""

    def __init__(self, pod: shim_client.Pod, client: shim_client.Client, root: Path) -> None:
        self._pod, self._client, self._root = pod, client, root
        self._attempt = 0
        self.whole = 0.0

    def reach(self) -> float:
        """Milliseconds until the program was reached; `whole` until it had exited and its group was gone."""
        self._attempt += 1
        launch = self._pod.launch_plan(*ARGV, attempt=self._attempt)
        launch = replace(
            launch,
            root=replace(launch.root, layers_dir=str(self._root.parent), layers=(self._root.name,)),
            mounts=(*defaults.standard_mounts(), *defaults.walls()),
            limits=Limits(),
            identity=plan.Identity(capabilities=defaults.DEFAULT_CAPABILITIES),
        )
        asked = time.monotonic_ns()
        started = self._client.ask(messages.Launch(launch))
        assert isinstance(started, facts.Started), started
        self._client.fact(facts.Exited, attempt=self._attempt)
        self.whole = (time.monotonic_ns() - asked) / 1e6
        self._client.ask(messages.Acknowledge(self._client.facts[-1].n))
        return (int(self._pod.log(launch)) - asked) / 1e6


def measure(stage: Stage) -> Iterator[Row]:
    directory = stage.directory / "shim"
    directory.mkdir()
    with shim_client.fork_server() as server, shim_client.pod(directory) as pod:
        pod.fork(server)
        client = pod.connect()
        client.follow()
        sandbox = client.ask(messages.MakeSandbox(pod.sandbox_plan()))
        assert isinstance(sandbox, facts.SandboxStarted), sandbox
        runs = Runs(pod, client, stage.root)
        whole: dict[str, list[float]] = {"podrun": [], "crun run": [], "runc run": []}

        def own() -> float:
            reached = runs.reach()
            whole["podrun"].append(runs.whole)
            return reached

        def peer(runtime: OciRuntime) -> float:
            ran = runtime.run()
            whole[f"{runtime.name} run"].append(ran.milliseconds)
            return (int(ran.output) - ran.started) / 1e6

        for runtime in (stage.crun, stage.runc):
            runtime.prepare(ARGV, sandbox.pid)
        subjects = {"podrun": own, "crun run": lambda: peer(stage.crun), "runc run": lambda: peer(stage.runc)}
        reached = Alternation(stage.rounds * 2).run(subjects).samples
        client.ask(messages.Leave())
        client.close()
    note = (
        "The program prints CLOCK_MONOTONIC as its first act. podrun: from Launch sent on the shim's socket. crun and "
        "runc: from the start of `run`, whose container joins the same pause process."
    )
    yield Row("container start in a running pod: asked → program reached", "ms", reached, "0.8 × crun", note)
    cleaned = {name: values[1:] for name, values in whole.items()}
    yield Row("the same until the program has exited and its cgroup is gone", "ms", cleaned)
