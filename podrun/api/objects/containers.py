"""Containers of every sort: environment, ports, mounts, resources (core/v1)."""

from __future__ import annotations

from podrun.api.objects.probes import Lifecycle, Probe
from podrun.api.objects.references import (
    ConfigMapKeySelector,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from podrun.api.objects.security import SecurityContext
from podrun.api.objects.struct import Int32, KubeStruct, Quantity, always, entries


class EnvVarSource(KubeStruct, frozen=True, kw_only=True):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(KubeStruct, frozen=True, kw_only=True):
    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None


class ContainerPort(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    host_port: Int32 = 0
    container_port: Int32 = always(0)
    protocol: str = ""
    host_ip: str = ""


class ResourceClaim(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    request: str = ""


class ResourceRequirements(KubeStruct, frozen=True, kw_only=True):
    limits: dict[str, Quantity] = entries()
    requests: dict[str, Quantity] = entries()
    claims: tuple[ResourceClaim, ...] = ()


class ContainerResizePolicy(KubeStruct, frozen=True, kw_only=True):
    resource_name: str = always("")
    restart_policy: str = always("")


class ContainerRestartRuleOnExitCodes(KubeStruct, frozen=True, kw_only=True):
    operator: str = always("")
    values: tuple[Int32, ...] = ()


class ContainerRestartRule(KubeStruct, frozen=True, kw_only=True):
    action: str = always("")
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    read_only: bool = False
    recursive_read_only: str | None = None
    mount_path: str = always("")
    sub_path: str = ""
    mount_propagation: str | None = None
    sub_path_expr: str = ""


class VolumeDevice(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    device_path: str = always("")


class Container(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements = always(ResourceRequirements())
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class EphemeralContainer(Container, frozen=True, kw_only=True):
    """A container added to a running pod; `target_container_name` is whose processes it shares."""

    target_container_name: str = ""
