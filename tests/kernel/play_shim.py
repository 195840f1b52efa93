"""A process that plays fork server and shim for the tests of container/: it carries out plans that it reads from stdin.

One JSON object a line in, one out. It has one thread and the walls of the real fork server; it leaves out everything
else that makes a shim. At EOF it kills what it started and ends.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from podrun.container import join, newborn, pod_handles, sandbox, start, user_namespace
from podrun.container.newborn import Newborn, SpawnError
from podrun.container.program import Stdio
from podrun.linux import mount, namespaces, pidfd, prctl
from podrun.linux.clone3 import CloneFlag
from podrun.linux.mount import Attribute, MountFlag
from podrun.shim import wire

Reply = dict[str, Any]


def build_walls() -> None:
    """A private mount namespace, in which the interpreter is read-only, for us and for what we exec ourselves into."""
    machine = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    os.set_inheritable(machine, True)
    namespaces.unshare(CloneFlag.NEWNS)
    mount.mount("none", "/", flags=MountFlag.SLAVE | MountFlag.REC)
    interpreter = os.path.realpath(sys.executable)
    place = os.open(interpreter, os.O_PATH)
    view = mount.open_tree(place, "")
    mount.mount_setattr(view, Attribute.RDONLY)
    mount.move_mount(view, place)
    os.execve(sys.executable, [sys.executable, __file__, *sys.argv[1:]], {**os.environ, "MACHINE": str(machine)})


class Player:
    def __init__(self, shm: str, machine: int) -> None:
        self.pod = pod_handles.PodHandles(shm=shm, machine=machine)
        self.children: dict[str, Newborn] = {}
        self.outputs: dict[str, int] = {}

    def sandbox(self, plan: Any) -> Reply:
        pod_handles.mount_pod_shm(self.pod.shm, plan.shm_size, plan.first_id)
        if plan.first_id:
            self.pod.user_namespace = user_namespace.create(plan.first_id)
        child = sandbox.spawn_pause(plan, self.pod.user_namespace)
        self.pod.pause = child.pidfd
        reply = {"pid": child.pid, **outcome(child)}
        self.children["pause"] = child
        if "step" not in reply:
            reply["netns"] = namespaces.inode(child.pid, "net")
        return reply

    def launch(self, plan: Any, stdin: str | None, name: str) -> Reply:
        return self._born(name, stdin, lambda stdio: start.spawn(plan, self.pod, stdio))

    def exec(self, plan: Any, stdin: str | None, name: str, container: str) -> Reply:
        target = self.children[container].pidfd
        if plan.tty:
            return self._born_on_tty(name, lambda stdio: join.spawn_exec(plan, target, stdio))
        return self._born(name, stdin, lambda stdio: join.spawn_exec(plan, target, stdio))

    def _born(self, name: str, stdin: str | None, spawn: Any) -> Reply:
        outer, inner = os.pipe2(os.O_CLOEXEC)
        given = -1
        if stdin is not None:
            given, filled = os.pipe2(os.O_CLOEXEC)
            os.write(filled, stdin.encode())
            os.close(filled)
        child = spawn(Stdio(given, inner, inner))
        os.close(inner)
        if given >= 0:
            os.close(given)
        self.children[name], self.outputs[name] = child, outer
        return {"pid": child.pid, **outcome(child)}

    def _born_on_tty(self, name: str, spawn: Any) -> Reply:
        master, inner = os.openpty()
        child = spawn(Stdio(inner, inner, inner, tty=True))
        reply = outcome(child)
        os.close(inner)
        self.children[name], self.outputs[name] = child, master
        return {"pid": child.pid, **reply}

    def line(self, name: str) -> Reply:
        """The next line of output."""
        read = b""
        while not read.endswith(b"\n") and (byte := os.read(self.outputs[name], 1)):
            read += byte
        return {"output": read.decode(errors="replace")}

    def wait(self, name: str) -> Reply:
        chunks = []
        with contextlib.suppress(OSError):  # EIO: the end of a terminal
            while name in self.outputs and (chunk := os.read(self.outputs[name], 65536)):
                chunks.append(chunk)
        ended = pidfd.reap(self.children.pop(name).pidfd, wait=True)
        assert ended is not None
        if name in self.outputs:
            os.close(self.outputs.pop(name))
        return {**asdict(ended), "output": base64.b64encode(b"".join(chunks)).decode()}

    def signal(self, name: str, number: int) -> Reply:
        signal.pidfd_send_signal(self.children[name].pidfd, number)
        return {}


def outcome(child: Newborn) -> Reply:
    os.set_blocking(child.report, True)
    chunks = []
    while chunk := os.read(child.report, 65536):
        chunks.append(chunk)
    os.close(child.report)
    return asdict(newborn.read_outcome(b"".join(chunks)))


def main() -> None:
    if "MACHINE" not in os.environ:
        build_walls()
    prctl.set_dumpable(False)
    newborn.warm_up()
    player = Player(sys.argv[1], int(os.environ["MACHINE"]))
    for line in sys.stdin:
        request = json.loads(line)
        verb = request.pop("do")
        if "plan" in request:
            request["plan"] = wire.decode(request["plan"].encode())[1].plan  # type: ignore[attr-defined]
        try:
            reply = getattr(player, verb)(**request)
        except SpawnError as error:
            reply = {**asdict(error.reason), "spawn": True}
        print(json.dumps(reply), flush=True)
    for child in player.children.values():
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)


main()
