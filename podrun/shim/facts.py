"""What happened in a pod, as a shim writes it to its journal before it tells anyone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxStarted:
    attempt: int
    pid: int  # of pause, as the machine sees it; for display and for /proc/<pid>/ns, never for signals
    netns: int  # inode of the network namespace: who opens /proc/<pid>/ns/net compares it
    at: float  # seconds since the epoch, here and below


@dataclass(frozen=True, slots=True)
class SandboxFailed:
    attempt: int
    message: str  # "set hostname: sethostname(...): ..."
    at: float


@dataclass(frozen=True, slots=True)
class SandboxEnded:
    """Pause is gone. Containers may still run; the kubelet decides what follows."""

    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class Started:
    """The program was exec'd."""

    container: str
    attempt: int
    id: str
    pid: int
    at: float
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The program was never exec'd; everything of the attempt is gone again."""

    container: str
    attempt: int
    id: str
    step: str  # the name of the step that failed: "build root"
    errno: int  # 0 where it was no system call
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Exited:
    """The main program ended, and with it all that was in its cgroup. Its log is complete.

    `code` is 0 to 255, 128 + N for signal N. `lost`: the shim that was its parent died, so nobody knows the code,
    nor, where there is no Started before it, whether the program ever ran; it is not run again.
    """

    container: str
    attempt: int
    id: str
    code: int
    signal: int  # 0 when it exited by itself
    oom_killed: bool
    at: float
    lost: bool = False


Fact = SandboxStarted | SandboxFailed | SandboxEnded | Started | StartFailed | Exited


@dataclass(frozen=True, slots=True)
class Numbered:
    """A fact and its place in the journal. Numbers rise by one, over all shims that a pod has had since the boot."""

    n: int
    fact: Fact
