"""What is said on a shim's socket and on the fork server's: one JSON object a line (shim/wire.py).

A client sends `Request`s and gets one `Reply` for each, in any order, told apart by `id`. After `Follow`, the shim also
sends a `Numbered` fact for each new one. Descriptors (exec) ride with the reply by SCM_RIGHTS.
"""

from __future__ import annotations

from dataclasses import dataclass

from podrun.container.plan import ExecPlan, LaunchPlan, SandboxPlan

PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class Hello:
    """Answered by Welcome. The first thing that a kubelet says."""

    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Welcome:
    protocol: int
    pod_uid: str
    pid: int
    last: int  # number of the newest fact


@dataclass(frozen=True, slots=True)
class Follow:
    """All facts numbered above `after`, now and as they come."""

    after: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The kubelet has committed everything up to `n`: the journal may forget it where it is no longer needed."""

    n: int


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Answered by SandboxStarted or SandboxFailed; a repeated one from the journal."""

    plan: SandboxPlan


@dataclass(frozen=True, slots=True)
class Launch:
    """Answered by Started or StartFailed; a repeated one from the journal, whatever became of it since."""

    plan: LaunchPlan


@dataclass(frozen=True, slots=True)
class Signal:
    """To the main program of a run, by its pidfd. Done also when the run has ended, or had this signal already."""

    container: str
    attempt: int
    signal: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to everything in a run's cgroup. Done also when the run has ended."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PrepareExec:
    """Lets whoever shows `token` run the plan, once, within a minute."""

    token: str
    plan: ExecPlan


@dataclass(frozen=True, slots=True)
class PrepareAttach:
    """Lets whoever shows `token` (by Exec) hold streams of a run's main program, once, within a minute."""

    token: str
    container: str
    attempt: int
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True


@dataclass(frozen=True, slots=True)
class Exec:
    """From the client that the kubelet sent here. Answered by ExecStarted with the outer ends (stdin, stdout, stderr,
    those asked for in this order; one pty master for tty); ExecEnded follows with the same id when the process ends.

    The client's hang-up (socket closed) closes nothing but the ends; the process sees that as EOF and EPIPE, on a
    terminal as SIGHUP. With `bound` it kills the process and all that came of it instead: so end the kubelet's own,
    when their time is over and when it dies over them. `rows` and `columns` are the size of a terminal at its start.

    With the token of PrepareAttach nothing is run: ExecStarted comes with the pid of the main program and the ends
    (stdin is the master where the container has a terminal: to write to and to set its size, never to read from),
    ExecEnded after its end; Refused later on means that the client was too slow.
    """

    token: str
    bound: bool = False
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, slots=True)
class ExecStarted:
    """`logged`, of an attachment: how many bytes of the log's text were written before the streams handed out begin."""

    pid: int
    logged: int = 0


@dataclass(frozen=True, slots=True)
class ExecEnded:
    code: int  # 128 + N for signal N


@dataclass(frozen=True, slots=True)
class Leave:
    """Kill every run and pause, write their facts, answer Done, and end. The pod's directory stays for the kubelet."""


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was not carried out, and `message` says why (`cannot ...` is put in front by the kubelet)."""

    message: str
    errno: int = 0


@dataclass(frozen=True, slots=True)
class ForkShim:
    """To the fork server, answered by Forked: `<run_dir>/shim.sock` then takes connections.

    `boot_id` heads the journal, and a new one numbers its facts above `after`. Refused when a shim of this pod lives
    already (it holds a flock on `<run_dir>/lock`).
    """

    pod_uid: str
    run_dir: str
    cgroup: str  # the shim's own, outside the pod's limits
    boot_id: str
    after: int = 0


@dataclass(frozen=True, slots=True)
class Forked:
    pid: int


Request = (
    Hello
    | Follow
    | Acknowledge
    | MakeSandbox
    | Launch
    | Signal
    | Kill
    | PrepareExec
    | PrepareAttach
    | Exec
    | Leave
    | ForkShim
)
