"""What became of a pod and of its containers (core/v1 PodStatus)."""

from __future__ import annotations

from podrun.api.objects.containers import ResourceRequirements
from podrun.api.objects.struct import Int32, KubeStruct, Quantity, Time, always, entries


class PodCondition(KubeStruct, frozen=True, kw_only=True):
    type: str = always("")
    observed_generation: int = 0
    status: str = always("")
    last_probe_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    reason: str = ""
    message: str = ""


class ContainerStateWaiting(KubeStruct, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(KubeStruct, frozen=True, kw_only=True):
    started_at: Time | None = None


class ContainerStateTerminated(KubeStruct, frozen=True, kw_only=True):
    exit_code: Int32 = always(0)
    signal: Int32 = 0
    reason: str = ""
    message: str = ""
    started_at: Time | None = always(None)
    finished_at: Time | None = always(None)
    container_id: str = ""


class ContainerState(KubeStruct, frozen=True, kw_only=True):
    """At most one is set; none means waiting."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class VolumeMountStatus(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    mount_path: str = always("")
    read_only: bool = False
    recursive_read_only: str | None = None


class LinuxContainerUser(KubeStruct, frozen=True, kw_only=True):
    uid: int = always(0)
    gid: int = always(0)
    supplemental_groups: tuple[int, ...] = ()


class ContainerUser(KubeStruct, frozen=True, kw_only=True):
    linux: LinuxContainerUser | None = None


class ResourceHealth(KubeStruct, frozen=True, kw_only=True):
    resource_id: str = always("")
    health: str = ""


class ResourceStatus(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    resources: tuple[ResourceHealth, ...] = ()


class ContainerStatus(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    state: ContainerState = always(ContainerState())
    last_state: ContainerState = always(ContainerState())
    ready: bool = always(False)
    restart_count: Int32 = always(0)
    image: str = always("")
    image_id: str = always("")
    container_id: str = ""
    started: bool | None = None
    allocated_resources: dict[str, Quantity] = entries()
    resources: ResourceRequirements | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()
    user: ContainerUser | None = None
    allocated_resources_status: tuple[ResourceStatus, ...] = ()
    stop_signal: str | None = None


class PodIP(KubeStruct, frozen=True, kw_only=True):
    ip: str = always("")


class HostIP(KubeStruct, frozen=True, kw_only=True):
    ip: str = always("")


class PodResourceClaimStatus(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    resource_claim_name: str | None = None


class PodStatus(KubeStruct, frozen=True, kw_only=True):
    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = ""
    host_ips: tuple[HostIP, ...] = ()
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    start_time: Time | None = None
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    resize: str = ""
    resource_claim_statuses: tuple[PodResourceClaimStatus, ...] = ()
