"""Real shims for tests: a fork server started as the kubelet starts it, a blocking client, the place of a pod."""

from __future__ import annotations

import array
import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from cgroups import hierarchies
from cgroups.group import Group
from cgroups.limits import Limits
from podrun.container import defaults, plan
from podrun.shim import facts, journal, messages, wire
from tests import names, wait
from tests.wait import wait_until

PATIENCE = wait.patient(60)  # seconds
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

T = TypeVar("T")


def command_line(pid: int) -> str:
    """As ps(1) shows it: that of its program only a moment after a process has told that it is one."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()


class Client:
    """A blocking client of a shim or a fork server. Replies are waited for by id, facts are kept aside."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.facts: list[facts.Numbered] = []
        self._socket_timeout()
        self._replies: dict[int, list[object]] = {}
        self._received = b""
        self._descriptors: list[int] = []
        self._id = 0

    def _socket_timeout(self) -> None:
        self.socket.settimeout(PATIENCE)

    def ask(self, request: object) -> Any:
        return self.reply(self.send(request))

    def send(self, request: object) -> int:
        self._id += 1
        self.socket.sendall(wire.encode(request, self._id))
        return self._id

    def reply(self, id: int) -> Any:
        while not self._replies.get(id):
            self._receive()
        return self._replies[id].pop(0)

    def fact(self, kind: type[T], **fields: object) -> T:
        """The first fact of this kind with these fields, waited for."""
        seen = 0
        while True:
            for numbered in self.facts[seen:]:
                fact = numbered.fact
                if isinstance(fact, kind) and all(getattr(fact, key) == value for key, value in fields.items()):
                    return fact
            seen = len(self.facts)
            self._receive()

    def follow(self, after: int = 0) -> None:
        assert self.ask(messages.Follow(after)) == messages.Done()

    def take_descriptors(self) -> list[int]:
        taken, self._descriptors = self._descriptors, []
        return taken

    def close(self) -> None:
        self.socket.close()
        for fd in self.take_descriptors():
            os.close(fd)

    def _receive(self) -> None:
        chunk, ancillary, _, _ = self.socket.recvmsg(1 << 16, socket.CMSG_SPACE(4 * 8))
        for _, kind, payload in ancillary:
            if kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(payload)
                self._descriptors += received
        if not chunk:
            raise ConnectionError("the other end has closed")
        *lines, self._received = (self._received + chunk).split(b"\n")
        for line in lines:
            id, message = wire.decode(line)
            if isinstance(message, facts.Numbered) and id == 0:
                self.facts.append(message)
            else:
                self._replies.setdefault(id, []).append(message)


class ForkServer:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-I", "-m", "podrun.shim.fork_server", "--socket-fd", str(theirs.fileno())]
            self.process = subprocess.Popen(
                argv, env={}, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        self.client = Client(ours)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self.client.close()

    def leave(self) -> int:
        self.client.close()
        return self.process.wait(PATIENCE)


@dataclass
class Pod:
    """One pod's directories and control groups, all with a name that no other test has."""

    directory: Path
    parent: Group
    uid: str = field(default_factory=lambda: names.unique("pod-"))

    @property
    def run_dir(self) -> Path:
        return self.directory / "run"

    @property
    def group(self) -> Group:
        return self.parent.child(self.uid)

    @property
    def shim_group(self) -> Group:
        return self.parent.child("shims").child(self.uid)

    def fork_request(self) -> messages.ForkShim:
        return messages.ForkShim(self.uid, str(self.run_dir), self.shim_group.path, BOOT_ID)

    def fork(self, server: ForkServer) -> int:
        """A shim; its pid."""
        reply = server.client.ask(self.fork_request())
        assert isinstance(reply, messages.Forked), reply
        return reply.pid

    def fork_when_free(self, server: ForkServer) -> int:
        """A shim, as soon as the one before is gone."""

        def forked() -> int:
            reply = server.client.ask(self.fork_request())
            return reply.pid if isinstance(reply, messages.Forked) else 0

        return wait_until(forked, "a new shim")

    def connect(self) -> Client:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        directory = os.open(self.run_dir, os.O_PATH)
        try:
            sock.connect(f"/proc/self/fd/{directory}/shim.sock")
        finally:
            os.close(directory)
        return Client(sock)

    def facts(self) -> list[facts.Fact]:
        return [numbered.fact for numbered in journal.read(str(self.run_dir / "journal"), BOOT_ID)]

    def sandbox_plan(self, attempt: int = 1, **changes: Any) -> plan.SandboxPlan:
        made = plan.SandboxPlan(attempt, self.group.child("pause").path, "tester", oom_score_adj=0)
        return replace(made, **changes)

    def launch_plan(self, *argv: str, container: str = "main", attempt: int = 0, **changes: Any) -> plan.LaunchPlan:
        """A run of `argv` in an image with busybox."""
        id = secrets.token_hex(32)
        for name in ("upper", "work"):
            (self.directory / id / name).mkdir(parents=True)
        made = plan.LaunchPlan(
            container=container,
            attempt=attempt,
            id=id,
            argv=argv,
            env=("PATH=/bin",),
            cwd="/",
            root=plan.Root(
                str(self.directory / "layers"),
                ("busybox",),
                str(self.directory / id / "upper"),
                str(self.directory / id / "work"),
            ),
            mounts=defaults.standard_mounts(),
            cgroup=self.group.child(id).path,
            limits=Limits(),
            identity=plan.Identity(),
            log_path=str(self.directory / f"{container}-{attempt}.log"),
        )
        return replace(made, **changes)

    def exec_plan(self, launched: plan.LaunchPlan, *argv: str, **changes: Any) -> plan.ExecPlan:
        made = plan.ExecPlan(
            launched.container, launched.attempt, argv, ("PATH=/bin",), "/", launched.cgroup, launched.identity
        )
        return replace(made, **changes)

    def log(self, launched: plan.LaunchPlan) -> bytes:
        """What the container wrote, without the heads of the entries."""
        entries = Path(launched.log_path).read_bytes().split(b"\n")[:-1]
        parts = [entry.split(b" ", 3) for entry in entries]
        return b"".join(text + (b"\n" if tag == b"F" else b"") for _, _, tag, text in parts)


@contextlib.contextmanager
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def pod(directory: Path) -> Iterator[Pod]:
    """Whatever a test leaves running in the pod, its shim included, is killed at the end; its groups must then go."""
    made = Pod(directory, Group("/" + names.unique("podrun-test-"), hierarchies.detect()))
    made.run_dir.mkdir(mode=0o700)
    binaries = directory / "layers" / "busybox" / "bin"
    binaries.mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", binaries / "busybox")
    for name in ("sh", "cat", "sleep", "echo", "true", "false", "seq", "ls", "kill", "head", "env", "wc", "dd", "ps"):
        (binaries / name).symlink_to("busybox")
    try:
        yield made
    finally:
        made.parent.kill()
        assert made.parent.wait_empty(PATIENCE)
        made.parent.remove(timeout=PATIENCE)
    complaints = made.run_dir / "shim.log"
    assert not complaints.exists(), complaints.read_text()


def zombies() -> list[int]:
    """Processes of this worker's tests that have ended and were not reaped. Some machines' init takes its time."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_zombie = (directory / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if is_zombie and names.mark() in (directory / "cgroup").read_text():
                found.append(int(directory.name))
    return found


def end(pid: int) -> None:
    """kill -9 of a shim or pause whose number is known to be theirs, and the wait until it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        wait_until(lambda: _has_ended(descriptor), "the end of a killed process")
    finally:
        os.close(descriptor)


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
