"""Pod and PodSpec (core/v1)."""

from __future__ import annotations

from podrun.api.objects.containers import Container, EphemeralContainer, ResourceRequirements
from podrun.api.objects.meta import ObjectMeta
from podrun.api.objects.pod_status import PodStatus
from podrun.api.objects.references import LocalObjectReference
from podrun.api.objects.scheduling import (
    Affinity,
    PodResourceClaim,
    PodSchedulingGate,
    Toleration,
    TopologySpreadConstraint,
)
from podrun.api.objects.security import PodSecurityContext
from podrun.api.objects.struct import Int32, KubeStruct, Quantity, always, entries
from podrun.api.objects.volumes import Volume


class HostAlias(KubeStruct, frozen=True, kw_only=True):
    ip: str = always("")
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    value: str | None = None


class PodDNSConfig(KubeStruct, frozen=True, kw_only=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class PodReadinessGate(KubeStruct, frozen=True, kw_only=True):
    condition_type: str = always("")


class PodOS(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")


class PodSpec(KubeStruct, frozen=True, kw_only=True):
    volumes: tuple[Volume, ...] = ()
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = always(())
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    node_selector: dict[str, str] = entries()
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    scheduler_name: str = ""
    tolerations: tuple[Toleration, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    priority_class_name: str = ""
    priority: Int32 | None = None
    dns_config: PodDNSConfig | None = None
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    overhead: dict[str, Quantity] = entries()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    set_hostname_as_fqdn: bool | None = None
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    resource_claims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    hostname_override: str | None = None


class Pod(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("Pod")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PodSpec = always(PodSpec())
    status: PodStatus = always(PodStatus())


def effective_restart_policy(spec: PodSpec, container: Container) -> str:
    """The policy that holds for one container: its own, where it has one, else the pod's."""
    return "Never" if isinstance(container, EphemeralContainer) else container.restart_policy or spec.restart_policy


def every_container(spec: PodSpec) -> tuple[Container, ...]:
    """Init containers, regular ones, and those added to a running pod."""
    return (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)


def is_sidecar(container: Container) -> bool:
    """Whether an init container is a restartable one, which runs beside the regular containers (KEP-753)."""
    return container.restart_policy == "Always"
