"""From a pod's wish to the plans that a shim carries out. Pure: all that it needs is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from podrun.api import objects
from podrun.container.plan import ExecPlan, LaunchPlan, Root, SandboxPlan
from podrun.image.images import Image
from podrun.kubelet import environment, mount_plan, resources, security, sysctls, volume_places
from podrun.kubelet.mount_plan import Source
from podrun.kubelet.places import PodPlace


@dataclass(frozen=True, slots=True)
class Streams:
    """What of a new process its caller wants to hold."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a container's plans are made from besides the pod: looked up and prepared by launcher.py."""

    image: Image
    variables: Mapping[str, str]  # the container's own, expanded; the image's lie below them
    place: PodPlace
    hostname: str
    node: resources.Node
    volumes: Mapping[str, Source] = field(default_factory=dict)  # where each is; only for a launch
    seccomp: bytes = b""  # the program that filters its system calls
    app_armor: str = ""


def sandbox_plan(pod: objects.Pod, attempt: int, place: PodPlace, hostname: str, node: resources.Node) -> SandboxPlan:
    """PodrunError: a volume can't be held in memory as it is asked for."""
    spec = pod.spec
    return SandboxPlan(
        attempt=attempt,
        cgroup=place.pause_cgroup,
        hostname=hostname,
        net=security.host_or_pod(spec.host_network),
        ipc=security.host_or_pod(spec.host_ipc),
        uts=security.host_or_pod(spec.host_network),
        pid=security.pid_mode(spec),
        sysctls=sysctls.values(spec),
        oom_score_adj=resources.PAUSE_OOM_SCORE_ADJ,
        held=volume_places.held(pod, place, node.memory),
        first_id=place.first_id,
    )


def launch_plan(pod: objects.Pod, spec: objects.Container, attempt: int, id: str, given: Given) -> LaunchPlan:
    """One run of a container. PodrunError where it can't be (no command)."""
    config, place = given.image.config, given.place
    upper, work = place.upper(spec.name, attempt), place.work(spec.name, attempt)
    return LaunchPlan(
        container=spec.name,
        attempt=attempt,
        id=id,
        argv=environment.argv_of(spec, config.entrypoint, config.cmd, given.variables),
        env=environment.whole(config.env, given.hostname, given.variables, tty=spec.tty),
        cwd=_cwd(spec, given.image),
        root=Root(
            given.node.layers_dir,
            given.image.layers,
            str(upper),
            str(work),
            readonly=security.has_readonly_root(spec),
        ),
        mounts=mount_plan.mounts(
            spec,
            attempt,
            given.volumes,
            place,
            given.variables,
            system=security.system_mounts(pod, spec),
            walls=security.walls(spec, given.node.masked),
        ),
        cgroup=place.container_cgroup(id),
        limits=resources.container_limits(spec.resources, given.node),
        identity=security.identity(pod, spec, given.image),
        log_path=str(place.log_file(spec.name, attempt)),
        pid=security.pid_mode(pod.spec),
        net=security.host_or_pod(pod.spec.host_network),
        ipc=security.host_or_pod(pod.spec.host_ipc),
        uts=security.host_or_pod(pod.spec.host_network),
        oom_score_adj=resources.oom_score_adj(pod.spec, spec, given.node.memory),
        seccomp=given.seccomp,
        app_armor=given.app_armor,
        devices=security.device_rules(spec),
        stdin=spec.stdin,
        stdin_once=spec.stdin_once,
        tty=spec.tty,
        log_max_bytes=given.node.log_max_bytes,
        log_max_files=given.node.log_max_files,
        first_id=place.first_id,
        pid_of=spec.target_container_name if isinstance(spec, objects.EphemeralContainer) else "",
    )


def exec_plan(
    pod: objects.Pod,
    spec: objects.Container,
    attempt: int,
    id: str,
    argv: tuple[str, ...],
    streams: Streams,
    given: Given,
) -> ExecPlan:
    """One more process in a running container, as its own user, environment and directory (CRI exec)."""
    return ExecPlan(
        container=spec.name,
        attempt=attempt,
        argv=argv,
        env=environment.whole(given.image.config.env, given.hostname, given.variables, tty=streams.tty),
        cwd=_cwd(spec, given.image),
        cgroup=given.place.container_cgroup(id),
        identity=security.identity(pod, spec, given.image),
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        tty=streams.tty,
        oom_score_adj=resources.oom_score_adj(pod.spec, spec, given.node.memory),
        seccomp=given.seccomp,
        app_armor=given.app_armor,
        first_id=given.place.first_id,
    )


def _cwd(spec: objects.Container, image: Image) -> str:
    return spec.working_dir or image.config.working_dir or "/"
