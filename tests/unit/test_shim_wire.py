"""Plans, facts and messages as lines, and what is refused on the way back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cgroups.limits import Limits
from podrun.container import plan
from podrun.shim import facts, messages, wire

LAUNCH = plan.LaunchPlan(
    container="web",
    attempt=3,
    id="f" * 64,
    argv=("nginx", "-g", "daemon off;"),
    env=("A=ä\udcff", "B="),
    cwd="/",
    root=plan.Root("/layers", ("b", "a"), "/u", "/w", readonly=True),
    mounts=(
        plan.Proc(),
        plan.Dev(),
        plan.Bind("/srv", "/data", propagation=plan.Propagation.SLAVE, subpath="x"),
        plan.Tmpfs("/tmp"),
        plan.Mask("/proc/kcore"),
    ),
    cgroup="/podrun/x",
    limits=Limits(cpu_quota_us="max", memory_max=1 << 40, pids_max=None),
    identity=plan.Identity("www", "www", (1, 2), capabilities=1 << 40),
    log_path="/var/log/0.log",
    pid=plan.NamespaceMode.POD,
    rlimits=(plan.Rlimit("NOFILE", 1, 2),),
    seccomp=bytes(range(256)),
)
EXEC = plan.ExecPlan("web", 3, ("sh",), (), "/", "/podrun/x", plan.Identity(), stdin=True)
SANDBOX = plan.SandboxPlan(1, "/podrun/p", "host", sysctls={"net.core.somaxconn": "1"})
EXITED = facts.Exited("web", 3, "f" * 64, 137, 9, True, 1234.5678)
EVERYTHING = [
    messages.Hello(),
    messages.Welcome(1, "uid", 2, 3),
    messages.Follow(41),
    messages.Acknowledge(41),
    messages.MakeSandbox(SANDBOX),
    messages.Launch(LAUNCH),
    messages.Signal("web", 3, 15),
    messages.Kill("web", 3),
    messages.PrepareExec("token", EXEC),
    messages.Exec("token"),
    messages.ExecStarted(5),
    messages.ExecEnded(1),
    messages.Leave(),
    messages.Done(),
    messages.Refused("no", 2),
    messages.ForkShim("uid", "/run", "/g", "boot"),
    messages.Forked(7),
    facts.SandboxStarted(1, 2, 3, 4.0),
    facts.SandboxFailed(1, "why", 4.0),
    facts.SandboxEnded(1, 4.0),
    facts.Started("web", 3, "f", 2, 4.0, 1, 1, (1, 2)),
    facts.StartFailed("web", 3, "f", "build root", 2, "why", 4.0),
    EXITED,
    facts.Numbered(42, EXITED),
]


@pytest.mark.parametrize("value", EVERYTHING, ids=lambda value: type(value).__name__)
def test_every_message_comes_back_as_it_was(value: object) -> None:
    line = wire.encode(value, 17)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert wire.decode(line) == (17, value)


def test_no_field_is_called_like_a_part_of_the_envelope() -> None:
    for kind in wire._KINDS.values():
        assert not {"request", "kind"} & {field.name for field in dataclasses.fields(kind)}, kind


def launch_with(**changes: object) -> bytes:
    tree = json.loads(wire.encode(messages.Launch(LAUNCH), 8))
    tree["plan"] |= changes
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (launch_with(userns=True), "LaunchPlan has unknown fields: userns"),
        (launch_with(mounts=[{"kind": "Teleport", "target": "/x"}]), "unknown kind 'Teleport'"),
        (launch_with(mounts=[{"kind": "Proc", "target": "/proc", "shiny": 1}]), "Proc has unknown fields: shiny"),
        (launch_with(mounts=[{"kind": "Hello"}]), "Hello does not belong here"),
        (launch_with(argv="true"), "expected <class 'list'>, got str"),
        (launch_with(attempt=True), "got bool"),
        (launch_with(pid="elsewhere"), "'elsewhere' is not a valid NamespaceMode"),
        (launch_with(seccomp="!"), "not base64"),
        (launch_with(seccomp=5), "expected <class 'str'>, got int"),
        (b'{"request":8,"kind":"Follow"}', "Follow lacks fields: after"),
        (b'{"request":8,"kind":"Follow","after":null}', "got NoneType"),
        (b'{"request":8}', "unknown kind None"),
    ],
)
def test_what_is_not_understood_is_named_and_never_ignored(line: bytes, said: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(line)
    assert said in str(caught.value)
    assert caught.value.id == 8


@pytest.mark.parametrize("line", [b"", b"hello", b"[]", b'{"request":"8","kind":"Hello"}', b"[" * 100_000, b"\xff"])
def test_what_is_no_message_at_all_has_no_number(line: bytes) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(line)
    assert caught.value.id is None


def test_a_number_too_big_for_a_time_is_refused() -> None:
    line = json.dumps({"kind": "SandboxEnded", "attempt": 1, "at": 10**400}).encode()
    with pytest.raises(wire.WireError):
        wire.decode(line)


def test_fields_with_a_default_may_be_absent() -> None:
    tree = json.loads(wire.encode(messages.Launch(LAUNCH)))
    for name in ("pid", "net", "ipc", "uts", "rlimits", "oom_score_adj", "seccomp"):
        tree["plan"].pop(name, None)
    _, launch = wire.decode(json.dumps(tree).encode())
    assert isinstance(launch, messages.Launch)
    assert launch.plan == dataclasses.replace(LAUNCH, pid=plan.NamespaceMode.PRIVATE, rlimits=(), seccomp=b"")


def test_what_asks_for_nothing_new_is_said_as_before() -> None:
    said = json.loads(wire.encode(messages.PrepareExec("token", EXEC)))
    assert "tty" not in said["plan"]
    assert said["plan"]["stdin"] is True
    assert "stdin_once" not in json.loads(wire.encode(messages.Launch(LAUNCH)))["plan"]
