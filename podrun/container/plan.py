"""What a shim carries out, fully resolved: data without any Kubernetes meaning, and nothing left to decide.

Made by pure functions in kubelet/planner.py, sent to the shim as JSON (shim/wire.py). Shims outlive upgrades: fields
are only ever added, each with a default, and a shim refuses a plan that has a field which it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cgroups import devices
from cgroups.devices import DeviceRule
from cgroups.limits import Limits

ID_COUNT = 65536  # of the ids that a pod's user namespace has: 0 to 65535


class NamespaceMode(StrEnum):
    """Where a container's namespace comes from."""

    POD = "pod"  # the one that the pause process holds
    HOST = "host"  # the shim's own, which is the machine's
    PRIVATE = "private"  # a new one for this container alone (PID only)


class Propagation(StrEnum):
    """mount_namespaces(7), in the kernel's words."""

    PRIVATE = "private"
    SLAVE = "slave"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the machine, given by the kubelet, at `target` inside the container's root.

    `subpath` is opened beneath `source` by descriptor, following no link out of it. A missing target is made: a
    directory or an empty file, as the source is. With `held` the source is a path in the shim's own mount namespace,
    where only it and its containers see it (SandboxPlan.held). With `idmapped`, owners of files are in the pod's user
    namespace what they are outside.
    """

    source: str
    target: str
    readonly: bool = False
    recursive: bool = True
    propagation: Propagation = Propagation.PRIVATE
    subpath: str = ""
    readonly_recursive: bool = False  # also what is mounted below it
    held: bool = False
    idmapped: bool = False


@dataclass(frozen=True, slots=True)
class ImageTree:
    """The files of an image, read-only. Layers as in Root; `subpath` is a part of it, which must be there."""

    target: str
    layers_dir: str
    layers: tuple[str, ...]
    subpath: str = ""


@dataclass(frozen=True, slots=True)
class PodShm:
    """The pod's one /dev/shm, a tmpfs that the shim keeps for all its containers."""

    target: str = "/dev/shm"


@dataclass(frozen=True, slots=True)
class Tmpfs:
    target: str
    options: str = "mode=755,size=65536k"  # tmpfs(5)
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Proc:
    target: str = "/proc"


@dataclass(frozen=True, slots=True)
class Sysfs:
    """A fresh sysfs, which shows the devices of the network namespace joined."""

    target: str = "/sys"
    readonly: bool = True


@dataclass(frozen=True, slots=True)
class Cgroupfs:
    """The container's own cgroup as root of /sys/fs/cgroup (v2: one mount; v1: one read-only directory a hierarchy)."""

    target: str = "/sys/fs/cgroup"
    readonly: bool = True


@dataclass(frozen=True, slots=True)
class Dev:
    """A tmpfs with the standard devices (null zero full random urandom tty), pts, and links (fd stdin stdout stderr
    ptmx core). With `machine`, also what devices the machine has in its own."""

    target: str = "/dev"
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Mqueue:
    target: str = "/dev/mqueue"


@dataclass(frozen=True, slots=True)
class Mask:
    """Cover what may not be seen: a file by /dev/null, a directory by an empty read-only tmpfs. Absent: skipped."""

    target: str


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Make an existing path read-only by a bind mount of itself. Absent targets are skipped."""

    target: str


Mount = Bind | ImageTree | PodShm | Tmpfs | Proc | Sysfs | Cgroupfs | Dev | Mqueue | Mask | ReadOnly


@dataclass(frozen=True, slots=True)
class Root:
    """The overlay that becomes `/`. Layer names are relative to `layers_dir`, topmost first: 127 fit in one page."""

    layers_dir: str
    layers: tuple[str, ...]
    upper: str
    work: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the program is. Names are looked up in the /etc/passwd and /etc/group of the finished root, never outside.

    `user` and `group` are names or decimal numbers; an empty group means the user's own, or 0 for a number without an
    entry. `groups` are added to those of the user in /etc/group, or stand alone when `image_groups` is false.
    Capability sets are bit masks, capabilities(7); effective and permitted become empty for a user other than 0.
    """

    user: str = "0"
    group: str = ""
    groups: tuple[int, ...] = ()
    image_groups: bool = True
    capabilities: int = 0
    no_new_privs: bool = False


@dataclass(frozen=True, slots=True)
class Rlimit:
    name: str  # as in getrlimit(2): "NOFILE", "CORE"
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Held:
    """A file system that the shim mounts where only it and its containers see it; it lives as long as the sandbox."""

    path: str  # an absolute one; the directory is made when absent
    fstype: str = "tmpfs"
    options: dict[str, str] = field(default_factory=dict)  # an empty value: a flag
    wishes: dict[str, str] = field(default_factory=dict)  # options that a kernel may not know yet


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """The pause process and what it holds. `attempt` counts the sandboxes that this pod has had."""

    attempt: int
    cgroup: str  # of the pause process; the pod's group above it exists already
    hostname: str
    net: NamespaceMode = NamespaceMode.POD
    ipc: NamespaceMode = NamespaceMode.POD
    uts: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.PRIVATE  # POD: pause is PID 1 of all containers and reaps
    sysctls: dict[str, str] = field(default_factory=dict)  # dotted names; set before any container starts
    shm_size: int = 64 << 20  # bytes
    oom_score_adj: int = -998
    held: tuple[Held, ...] = ()
    first_id: int = 0  # of the machine's, which is 0 in the pod's own user namespace; 0: it has none


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """One run of one container. (container, attempt) is its identity: a shim runs it at most once."""

    container: str
    attempt: int
    id: str  # 64 hex digits, unique for each run
    argv: tuple[str, ...]
    env: tuple[str, ...]  # "NAME=value"
    cwd: str  # absolute; made with mode 0755 when absent
    root: Root
    mounts: tuple[Mount, ...]  # parents before children
    cgroup: str
    limits: Limits
    identity: Identity
    log_path: str  # the CRI log file; its directory exists
    pid: NamespaceMode = NamespaceMode.PRIVATE
    net: NamespaceMode = NamespaceMode.POD
    ipc: NamespaceMode = NamespaceMode.POD
    uts: NamespaceMode = NamespaceMode.POD
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int = 0
    seccomp: bytes = b""  # a compiled BPF program, seccomp(2); empty for none
    app_armor: str = ""  # the profile that exec changes to; empty for no change
    devices: tuple[DeviceRule, ...] = devices.STANDARD  # all others are refused, made by mknod or mounted
    stdin: bool = False  # a pipe that the shim keeps for clients who attach; else /dev/null
    stdin_once: bool = False  # the first such client takes it with it when it goes
    tty: bool = False  # a terminal instead of pipes
    pid_of: str = ""  # with pid PRIVATE: the running container whose PID namespace it joins
    log_max_bytes: int = 10 << 20  # of one log file
    log_max_files: int = 5  # of this run, with the current one
    first_id: int = 0  # as in SandboxPlan


@dataclass(frozen=True, slots=True)
class ExecPlan:
    """One more process inside a running container: its namespaces, root, cgroup and limits are the container's."""

    container: str
    attempt: int
    argv: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    cgroup: str
    identity: Identity
    stdin: bool = False  # a pipe whose outer end the client gets; else /dev/null
    stdout: bool = True
    stderr: bool = True
    tty: bool = False  # a pty instead of pipes
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int = 0
    seccomp: bytes = b""
    app_armor: str = ""
    first_id: int = 0  # as in SandboxPlan
