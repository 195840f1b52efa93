"""From a pod's wish to the plans that a shim carries out. Pure: all that it needs is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from podrun.api import objects
from podrun.container import defaults
from podrun.container.plan import (
    Bind,
    ExecPlan,
    Identity,
    LaunchPlan,
    Mount,
    NamespaceMode,
    Root,
    SandboxPlan,
)
from podrun.errors import PodrunError
from podrun.image.images import Image
from podrun.kubelet import environment, resources
from podrun.kubelet.places import PodPlace

DEFAULT_TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Streams:
    """What of a new process its caller wants to hold."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """What plans need to know of the machine."""

    memory: int  # bytes
    layers_dir: str


def sandbox_plan(pod: objects.Pod, attempt: int, place: PodPlace, hostname: str) -> SandboxPlan:
    spec = pod.spec
    return SandboxPlan(
        attempt=attempt,
        cgroup=place.pause_cgroup,
        hostname=hostname,
        net=_host_or_pod(spec.host_network),
        ipc=_host_or_pod(spec.host_ipc),
        uts=_host_or_pod(spec.host_network),
        pid=_pid_mode(spec),
        oom_score_adj=resources.PAUSE_OOM_SCORE_ADJ,
    )


def launch_plan(
    pod: objects.Pod,
    spec: objects.Container,
    attempt: int,
    id: str,
    image: Image,
    volumes: Mapping[str, str],
    place: PodPlace,
    hostname: str,
    node: Node,
) -> LaunchPlan:
    """One run of a container. `volumes`: the machine's path of each. PodrunError where it can't be (no command)."""
    variables = environment.variables_of(spec.env)
    config = image.config
    return LaunchPlan(
        container=spec.name,
        attempt=attempt,
        id=id,
        argv=environment.argv_of(spec, config.entrypoint, config.cmd, variables),
        env=environment.whole(config.env, hostname, variables, tty=spec.tty),
        cwd=_cwd(spec, image),
        root=Root(
            node.layers_dir, image.layers, str(place.upper(spec.name, attempt)), str(place.work(spec.name, attempt))
        ),
        mounts=_mounts(spec, attempt, volumes, place),
        cgroup=place.container_cgroup(id),
        limits=resources.container_limits(spec.resources),
        identity=_identity(image),
        log_path=str(place.log_file(spec.name, attempt)),
        pid=_pid_mode(pod.spec),
        net=_host_or_pod(pod.spec.host_network),
        ipc=_host_or_pod(pod.spec.host_ipc),
        uts=_host_or_pod(pod.spec.host_network),
        oom_score_adj=resources.oom_score_adj(pod.spec, spec, node.memory),
    )


def exec_plan(
    pod: objects.Pod,
    spec: objects.Container,
    attempt: int,
    id: str,
    argv: tuple[str, ...],
    image: Image,
    place: PodPlace,
    hostname: str,
    node: Node,
    streams: Streams,
) -> ExecPlan:
    """One more process in a running container, as its own user, environment and directory (CRI exec)."""
    variables = environment.variables_of(spec.env)
    return ExecPlan(
        container=spec.name,
        attempt=attempt,
        argv=argv,
        env=environment.whole(image.config.env, hostname, variables, tty=streams.tty),
        cwd=_cwd(spec, image),
        cgroup=place.container_cgroup(id),
        identity=_identity(image),
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        tty=streams.tty,
        oom_score_adj=resources.oom_score_adj(pod.spec, spec, node.memory),
    )


def _cwd(spec: objects.Container, image: Image) -> str:
    return spec.working_dir or image.config.working_dir or "/"


def _identity(image: Image) -> Identity:
    user, _, group = image.config.user.partition(":")
    return Identity(user=user or "0", group=group, capabilities=defaults.DEFAULT_CAPABILITIES)


def _host_or_pod(host: bool) -> NamespaceMode:
    return NamespaceMode.HOST if host else NamespaceMode.POD


def _pid_mode(spec: objects.PodSpec) -> NamespaceMode:
    if spec.host_pid:
        return NamespaceMode.HOST
    return NamespaceMode.POD if spec.share_process_namespace else NamespaceMode.PRIVATE


def _mounts(spec: objects.Container, attempt: int, volumes: Mapping[str, str], place: PodPlace) -> tuple[Mount, ...]:
    """Parents before children; a volume replaces what would stand by default at the same path."""
    chosen = tuple(_volume_bind(mount, volumes) for mount in spec.volume_mounts)
    taken = {bind.target for bind in chosen}
    message_path = spec.termination_message_path or DEFAULT_TERMINATION_LOG
    managed = [
        Bind(str(place.etc / "hosts"), "/etc/hosts"),
        Bind(str(place.etc / "hostname"), "/etc/hostname"),
        Bind(str(place.etc / "resolv.conf"), "/etc/resolv.conf"),
        Bind(str(place.termination_log(spec.name, attempt)), message_path),
    ]
    ordinary: list[Mount] = [m for m in (*defaults.standard_mounts(), *managed) if m.target not in taken]
    return (*sorted((*ordinary, *chosen), key=_depth), *defaults.walls())


def _volume_bind(mount: objects.VolumeMount, volumes: Mapping[str, str]) -> Bind:
    if mount.name not in volumes:
        raise PodrunError(f'volume "{mount.name}" is not there')
    return Bind(volumes[mount.name], str(PurePosixPath("/", mount.mount_path)), readonly=mount.read_only)


def _depth(mount: Mount) -> int:
    return len(PurePosixPath(mount.target).parts)
