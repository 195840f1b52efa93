"""Real containers without a kubelet: a scratch pod whose plans play_shim.py carries out, and all of it removed."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgroups import hierarchies
from cgroups.group import Group
from cgroups.limits import Limits
from podrun.container import defaults
from podrun.container.plan import ExecPlan, Identity, LaunchPlan, Mount, Root, SandboxPlan
from podrun.shim import messages, wire
from tests import wait

sys.path.insert(0, str(Path(__file__).parents[1]))
from witness.build import witness

PATIENCE = wait.patient(40)  # seconds; only ever waited for in full when something is broken
PROJECT = Path(__file__).parents[2]
ENVIRONMENT = (f"PATH={defaults.PATH}",)
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1234:2345:Web:/home/web:/bin/sh\n"
GROUP = "root:x:0:\nwww:x:2345:\nextra:x:3000:somebody,web\nother:x:3001:somebody\n"


@dataclass(frozen=True)
class Ended:
    code: int
    signal: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


class Failed(AssertionError):
    """A start that failed, with what was reported."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(str(reply))
        self.step, self.errno, self.message = reply["step"], reply["errno"], reply["message"]


class Stage:
    """One pod. `image` is a directory that tests may change before the first start."""

    def __init__(self, directory: Path, group: Group) -> None:
        self.directory = directory
        self.group = group
        self.image = directory / "layers" / "image"
        self.attempts = 0
        self.last: dict[str, Any] = {}
        make_image(self.image)
        self._player = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("play_shim.py")), str(directory / "shm")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

    @property
    def shim(self) -> subprocess.Popen[bytes]:
        return self._player

    def ask(self, verb: str, plan: LaunchPlan | SandboxPlan | ExecPlan | None = None, **request: Any) -> dict[str, Any]:
        """One request to the player; a failed start raises Failed."""
        if plan is not None:
            request["plan"] = wire.encode(_message(plan)).decode()
        assert self._player.stdin
        assert self._player.stdout
        self._player.stdin.write(json.dumps({"do": verb, **request}).encode() + b"\n")
        self._player.stdin.flush()
        ready, _, _ = select.select([self._player.stdout], [], [], PATIENCE)
        assert ready, f"no answer to {verb} {request}"
        line = self._player.stdout.readline()
        assert line, f"the player ended at {verb} {request}"
        reply: dict[str, Any] = json.loads(line)
        self.last = reply
        if "step" in reply:
            raise Failed(reply)
        return reply

    def make_sandbox(self, **fields: Any) -> dict[str, Any]:
        cgroup = self.group.child("pause").path
        return self.ask("sandbox", SandboxPlan(**{"attempt": 1, "cgroup": cgroup, "hostname": "scratch", **fields}))

    def plan(self, *argv: str, mounts: tuple[Mount, ...] = (), **fields: Any) -> LaunchPlan:
        """A container as a kubelet would plan it, with `mounts` between the standard ones and the walls."""
        self.attempts += 1
        own = self.directory / f"attempt{self.attempts}"
        for name in ("upper", "work"):
            (own / name).mkdir(parents=True)
        os.chown(own / "upper", fields.get("first_id", 0), fields.get("first_id", 0))
        root = Root(str(self.image.parent), (self.image.name,), str(own / "upper"), str(own / "work"))
        given = LaunchPlan(
            container="c",
            attempt=self.attempts,
            id=uuid.uuid4().hex * 2,
            argv=("witness", *argv),
            env=ENVIRONMENT,
            cwd="/",
            root=root,
            mounts=(*defaults.standard_mounts(), *mounts, *defaults.walls()),
            cgroup=self.group.child(f"c{self.attempts}").path,
            limits=Limits(),
            identity=Identity(capabilities=defaults.DEFAULT_CAPABILITIES),
            log_path="",
        )
        return dataclasses.replace(given, **fields)

    def start(self, plan: LaunchPlan, *, stdin: str | None = None) -> str:
        """Start a container and leave it running; its name."""
        name = f"c{plan.attempt}"
        self.ask("launch", plan, stdin=stdin, name=name)
        return name

    def run(self, *argv: str, stdin: str | None = None, **fields: Any) -> Ended:
        """Run the witness to its end. It sees the mounts and identity of a default container, unless told otherwise."""
        return self.wait(self.start(self.plan(*argv, **fields), stdin=stdin))

    def exec(self, container: str, *argv: str, stdin: str | None = None, **fields: Any) -> Ended:
        """Run the witness in a running container."""
        self.attempts += 1
        name = f"exec{self.attempts}"
        self.ask("exec", self.exec_plan(container, *argv, **fields), stdin=stdin, name=name, container=container)
        return self.wait(name)

    def exec_plan(self, container: str, *argv: str, **fields: Any) -> ExecPlan:
        given = ExecPlan(
            container="c",
            attempt=1,
            argv=("witness", *argv),
            env=ENVIRONMENT,
            cwd="/",
            cgroup=self.group.child(container).path,
            identity=Identity(capabilities=defaults.DEFAULT_CAPABILITIES),
        )
        return dataclasses.replace(given, **fields)

    def line(self, container: str) -> str:
        return str(self.ask("line", name=container)["output"])

    def wait(self, container: str) -> Ended:
        reply = self.ask("wait", name=container)
        return Ended(reply["code"], reply["signal"], base64.b64decode(reply["output"]).decode(errors="replace"))

    def close(self) -> None:
        assert self._player.stdin
        self._player.stdin.close()
        self._player.wait(PATIENCE)
        assert self._player.stdout
        self._player.stdout.close()


def _message(plan: LaunchPlan | SandboxPlan | ExecPlan) -> object:
    match plan:
        case LaunchPlan():
            return messages.Launch(plan)
        case SandboxPlan():
            return messages.MakeSandbox(plan)
        case ExecPlan():
            return messages.PrepareExec("", plan)


def make_image(directory: Path) -> None:
    """The smallest image: the witness, and users to look up."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        (directory / name).mkdir(parents=True)
    shutil.copy(witness(), directory / "bin" / "witness")
    (directory / "etc" / "passwd").write_text(PASSWD)
    (directory / "etc" / "group").write_text(GROUP)


@contextmanager
def scratch_pod() -> Iterator[Stage]:
    """A pod with a directory and a cgroup of its own; nothing of it is left afterwards."""
    group = Group(f"/podrun-test-{uuid.uuid4().hex[:12]}", hierarchies.current())
    directory = Path(tempfile.mkdtemp(prefix="podrun-test-"))
    stage = None
    try:
        group.create()
        stage = Stage(directory, group)
        yield stage
    finally:
        try:
            if stage is not None:
                stage.close()
        finally:
            group.kill()
            group.wait_empty(PATIENCE)
            group.remove(PATIENCE)
            shutil.rmtree(directory)
