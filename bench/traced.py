"""podrun's processes with a clock in them: `python -I -m bench.traced kubelet FILE` or `... forks FILE --socket-fd N`.

Each step of a pod's start becomes a line "NAME BEGAN ENDED" of FILE (CLOCK_MONOTONIC, in nanoseconds). What podrun does
is not changed, save that the children of a shim tell their steps in the report that they make anyway.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any


def main() -> None:
    role, path = sys.argv[1:3]
    if role == "kubelet":
        _kubelet(path)
    else:
        _forks(path)


def _kubelet(path: str) -> None:
    from podrun.cli.main import main as command
    from podrun.kubelet import launcher, pod_files, pod_worker, sandbox, shims, wiring

    note = functools.partial(_note, path)
    for owner, name in (
        (sandbox.Sandbox, "_make"),
        (shims.ForkServer, "fork"),
        (sandbox.Sandbox, "_connect"),
        (wiring.Wiring, "connect"),
        (pod_worker.PodWorker, "_launch"),
    ):
        setattr(owner, name, _timed_await(name, getattr(owner, name), note))
    shims.Link.ask_any = _timed_await("ask", shims.Link.ask_any, note)  # type: ignore[method-assign]
    for place, name in ((pod_files, "write_etc"), (launcher.Launcher, "launch_plan")):
        setattr(place, name, _timed(name, getattr(place, name), note))
    shims.sys = Interpreter(path)  # type: ignore[attr-defined]
    sys.exit(command(["kubelet"]))


class Interpreter:
    """In the place of `sys` where the fork server's command is put together: `module` is run, as "forks"."""

    def __init__(self, path: str, module: str = "bench.traced") -> None:
        self.executable = f"{path}.forks"
        with open(self.executable, "w") as script:
            words = f'{sys.executable} -I -m {module} forks {path} "$@"'
            script.write(f"#!/bin/sh\nshift 3\nexec {words}\n")
        os.chmod(self.executable, 0o755)


def _timed_await(name: str, function: Any, note: Callable[[str, int, int], None]) -> Any:
    async def run(*arguments: Any, **keywords: Any) -> Any:
        began = time.monotonic_ns()
        try:
            return await function(*arguments, **keywords)
        finally:
            note(name, began, time.monotonic_ns())

    return run


def _timed(name: str, function: Any, note: Callable[[str, int, int], None]) -> Any:
    def run(*arguments: Any, **keywords: Any) -> Any:
        began = time.monotonic_ns()
        try:
            return function(*arguments, **keywords)
        finally:
            note(name, began, time.monotonic_ns())

    return run


def _note(path: str, name: str, began: int, ended: int) -> None:
    with open(path, "a") as trace:
        trace.write(f"{name} {began} {ended}\n")


def _forks(path: str) -> None:
    from podrun.container import newborn
    from podrun.shim import fork_server

    live, clone, read = newborn._live, newborn.clone3, newborn.read_outcome
    asked = [0]

    def timed_clone(*arguments: Any) -> tuple[int, int]:
        asked[0] = time.monotonic_ns()
        return clone(*arguments)

    def timed_live(steps: Sequence[Any], birth: Any) -> Any:
        marks: list[tuple[str, int, int]] = [("clone", asked[0], time.monotonic_ns())]

        def note(name: str, began: int, ended: int) -> None:
            marks.append((name, began, ended))

        def last(birth: Any) -> None:
            os.write(birth.report, json.dumps({"marks": marks, "last": time.monotonic_ns()}).encode() + b"\n")
            steps[-1](birth)

        timed = [functools.wraps(step)(_timed(step.__name__, step, note)) for step in steps[:-1]]
        live([*timed, functools.wraps(steps[-1])(last)], birth)

    def noted_read(report: bytes) -> Any:
        for line in report.splitlines():
            if line.startswith(b'{"marks"'):
                told = json.loads(line)
                names = [name for name, _, _ in told["marks"]]
                kind = "container" if "build_root" in names else "pause"
                for name, began, ended in (*told["marks"], ("last", told["last"], time.monotonic_ns())):
                    _note(path, f"{kind}.{name}", began, ended)
        return read(report)

    newborn._live, newborn.clone3, newborn.read_outcome = timed_live, timed_clone, noted_read  # type: ignore[assignment]
    fork_server.main()


if __name__ == "__main__":
    main()
