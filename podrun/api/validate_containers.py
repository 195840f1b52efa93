"""Containers, init containers, ephemeral containers: everything in them that has no file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import (
    Container,
    ContainerPort,
    EnvFromSource,
    EnvVar,
    EphemeralContainer,
    FileKeySelector,
    PodSpec,
    Volume,
    VolumeMount,
    is_sidecar,
)
from podrun.api.validate_downward import ENVIRONMENT_FIELDS, check_field_ref, check_resource_ref
from podrun.api.validate_names import Errors
from podrun.api.validate_probes import check_lifecycle, check_probes
from podrun.api.validate_resources import check_resize_policy, check_resources
from podrun.api.validate_security import check_container_security

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_MOST_RULES, _MOST_EXIT_CODES = 20, 255
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


@dataclass(frozen=True, slots=True)
class _Around:
    """What a container is judged by besides itself; looked up once for all of them."""

    spec: PodSpec
    volumes: Mapping[str, Volume]
    claims: Set[str]


def check_containers(spec: PodSpec, path: str) -> Errors:
    """All containers of a spec; `path` is that of the spec."""
    volumes = {volume.name: volume for volume in spec.volumes}
    around = _Around(spec, volumes, {claim.name for claim in spec.resource_claims})
    yield from _regular(around, f"{path}.containers")
    yield from _init(around, f"{path}.initContainers")
    yield from _ephemeral(around, f"{path}.ephemeralContainers")


def _regular(around: _Around, path: str) -> Errors:
    spec = around.spec
    if not spec.containers:
        yield field_errors.required(path)
    seen = set()
    for index, container in enumerate(spec.containers):
        where = f"{path}[{index}]"
        yield from _container(where, container, around)
        if container.name in seen:
            yield field_errors.duplicate(f"{where}.name", container.name)
        seen.add(container.name)
        yield from check_lifecycle(
            f"{where}.lifecycle", container.lifecycle, spec.termination_grace_period_seconds, spec.os
        )
        yield from check_probes(where, container)
    yield from _host_ports(path, spec.containers)


def _init(around: _Around, path: str) -> Errors:
    spec = around.spec
    seen = {container.name for container in spec.containers}
    for index, container in enumerate(spec.init_containers):
        where = f"{path}[{index}]"
        yield from _container(where, container, around)
        if container.name and container.name in seen:
            yield field_errors.duplicate(f"{where}.name", container.name)
        seen.add(container.name)
        yield from _host_ports(path, (container,))
        if is_sidecar(container):
            grace = spec.termination_grace_period_seconds
            yield from check_lifecycle(f"{where}.lifecycle", container.lifecycle, grace, spec.os)
            yield from check_probes(where, container)
        else:
            yield from _forbid(
                where,
                _ONLY_SIDECARS,
                lifecycle=container.lifecycle,
                livenessProbe=container.liveness_probe,
                readinessProbe=container.readiness_probe,
                startupProbe=container.startup_probe,
            )


def _ephemeral(around: _Around, path: str) -> Errors:
    spec = around.spec
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    seen = set(others)
    for index, container in enumerate(spec.ephemeral_containers):
        where = f"{path}[{index}]"
        yield from _container(where, container, around)
        if container.name in seen:
            yield field_errors.duplicate(f"{where}.name", container.name)
        seen.add(container.name)
        target = container.target_container_name
        if target and target not in others:
            yield field_errors.not_found(f"{where}.targetContainerName", target)
        yield from _forbidden_when_ephemeral(where, container)


def _forbidden_when_ephemeral(path: str, container: EphemeralContainer) -> Errors:
    resources = container.resources
    yield from _forbid(
        path,
        _NOT_EPHEMERAL,
        ports=container.ports,
        resources=resources.limits or resources.requests or resources.claims,
        livenessProbe=container.liveness_probe,
        readinessProbe=container.readiness_probe,
        startupProbe=container.startup_probe,
        lifecycle=container.lifecycle,
        restartPolicy=container.restart_policy,
        resizePolicy=container.resize_policy,
    )
    for index, mount in enumerate(container.volume_mounts):
        where = f"{path}.volumeMounts[{index}]"
        yield from _forbid(where, _NOT_EPHEMERAL, subPath=mount.sub_path, subPathExpr=mount.sub_path_expr)


def _forbid(path: str, detail: str, **fields: object) -> Errors:
    for name, value in fields.items():
        if value:
            yield field_errors.forbidden(f"{path}.{name}", detail)


def _restarts(path: str, container: Container) -> Errors:
    """A policy of its own, and rules that are asked before it (KEP-5307)."""
    rules, where = container.restart_policy_rules, f"{path}.restartPolicyRules"
    if container.restart_policy is not None:
        yield from names.check_choice(f"{path}.restartPolicy", container.restart_policy, RESTART_POLICIES)
    elif rules:
        yield field_errors.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    if len(rules) > _MOST_RULES:
        yield field_errors.too_many(where, len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        yield from names.check_choice(f"{where}[{index}].action", rule.action, ("Restart",))
        codes = rule.exit_codes
        if codes is None:
            yield field_errors.required(f"{where}[{index}].exitCodes", "must be specified")
            continue
        yield from names.check_choice(f"{where}[{index}].exitCodes.operator", codes.operator, ("In", "NotIn"))
        if len(codes.values) > _MOST_EXIT_CODES:
            yield field_errors.too_many(f"{where}[{index}].exitCodes.values", len(codes.values), _MOST_EXIT_CODES)


def _container(path: str, container: Container, around: _Around) -> Errors:
    spec = around.spec
    yield from names.check_required(f"{path}.name", container.name, names.label_problems)
    if not isinstance(container, EphemeralContainer):
        yield from _restarts(path, container)
    if not container.image:
        yield field_errors.required(f"{path}.image")
    elif container.image.strip() != container.image:
        yield field_errors.invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace")
    policies = ("File", "FallbackToLogsOnError")
    yield from names.check_choice(f"{path}.terminationMessagePolicy", container.termination_message_policy, policies)
    yield from _ports(f"{path}.ports", container.ports)
    yield from _env(f"{path}.env", container.env, around.volumes)
    yield from _env_from(f"{path}.envFrom", container.env_from)
    yield from _mounts(f"{path}.volumeMounts", container, around.volumes)
    yield from _devices(f"{path}.volumeDevices", container, around.volumes)
    yield from names.check_choice(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    yield from check_resources(f"{path}.resources", container.resources, around.claims)
    yield from check_resize_policy(f"{path}.resizePolicy", container.resize_policy, spec.restart_policy)
    host_users = spec.host_users is not False
    yield from check_container_security(f"{path}.securityContext", container.security_context, host_users=host_users)


def _ports(path: str, ports: tuple[ContainerPort, ...]) -> Errors:
    seen = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        if port.name:
            problems = names.port_name_problems(port.name)
            for problem in problems:
                yield field_errors.invalid(f"{where}.name", port.name, problem)
            if not problems and port.name in seen:
                yield field_errors.duplicate(f"{where}.name", port.name)
            seen.add(port.name)
        if port.container_port:
            yield from names.check_port(f"{where}.containerPort", port.container_port)
        else:
            yield field_errors.required(f"{where}.containerPort")
        if port.host_port:
            yield from names.check_port(f"{where}.hostPort", port.host_port)
        yield from names.check_choice(f"{where}.protocol", port.protocol, PROTOCOLS)
        if port.host_ip:
            yield from names.check_ip(f"{where}.hostIP", port.host_ip)


def _host_ports(path: str, containers: Iterable[Container]) -> Errors:
    taken = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.ports):
            wanted = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if port.host_port and wanted in taken:
                yield field_errors.duplicate(f"{path}[{index}].ports[{position}].hostPort", wanted)
            taken.add(wanted)


def _env(path: str, variables: tuple[EnvVar, ...], volumes: Mapping[str, Volume]) -> Errors:
    for index, variable in enumerate(variables):
        where = f"{path}[{index}]"
        yield from names.check_required(f"{where}.name", variable.name, names.environment_name_problems)
        yield from _value_from(f"{where}.valueFrom", variable, volumes)


def _file_key(path: str, key: FileKeySelector, volumes: Mapping[str, Volume]) -> Errors:
    yield from names.check_required(f"{path}.key", key.key, names.environment_name_problems)
    yield from names.check_required(f"{path}.volumeName", key.volume_name, names.label_problems)
    if key.volume_name and key.volume_name not in volumes:
        yield field_errors.not_found(f"{path}.volumeName", key.volume_name)
    elif key.volume_name and volumes[key.volume_name].empty_dir is None:
        detail = "referenced volume must be of type emptyDir"
        yield field_errors.invalid(f"{path}.volumeName", key.volume_name, detail)
    if key.path:
        yield from names.check_file_path(f"{path}.path", key.path)
    else:
        yield field_errors.required(f"{path}.path")


def _value_from(path: str, variable: EnvVar, volumes: Mapping[str, Volume]) -> Errors:
    source = variable.value_from
    if source is None:
        return
    references = (source.config_map_key_ref, source.secret_key_ref, source.field_ref, source.resource_field_ref)
    count = sum(reference is not None for reference in (*references, source.file_key_ref))
    if source.field_ref:
        yield from check_field_ref(f"{path}.fieldRef", source.field_ref, ENVIRONMENT_FIELDS)
    if source.resource_field_ref:
        yield from check_resource_ref(f"{path}.resourceFieldRef", source.resource_field_ref, in_volume=False)
    for shown, key_ref in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if key_ref:
            yield from names.check(f"{path}.{shown}.name", key_ref.name, names.subdomain_problems)
            yield from names.check_required(f"{path}.{shown}.key", key_ref.key, names.config_key_problems)
    if source.file_key_ref:
        yield from _file_key(f"{path}.fileKeyRef", source.file_key_ref, volumes)
    if not count:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield field_errors.invalid(path, "", detail)
    elif variable.value:
        yield field_errors.invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield field_errors.invalid(path, "", "may not have more than one field specified at a time")


def _env_from(path: str, sources: tuple[EnvFromSource, ...]) -> Errors:
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        if source.prefix:
            yield from names.check(f"{where}.prefix", source.prefix, names.environment_name_problems)
        for shown, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
            if reference:
                yield from names.check_required(f"{where}.{shown}.name", reference.name, names.subdomain_problems)
        if not source.config_map_ref and not source.secret_ref:
            yield field_errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif source.config_map_ref and source.secret_ref:
            yield field_errors.invalid(path, "", "may not have more than one field specified at a time")


def _mounts(path: str, container: Container, known: Mapping[str, Volume]) -> Errors:
    devices = {device.name for device in container.volume_devices}
    seen = set()
    for index, mount in enumerate(container.volume_mounts):
        where = f"{path}[{index}]"
        if not mount.name:
            yield field_errors.required(f"{where}.name")
        if mount.name not in known:
            yield field_errors.not_found(f"{where}.name", mount.name)
        if not mount.mount_path:
            yield field_errors.required(f"{where}.mountPath")
        if mount.mount_path in seen:
            yield field_errors.invalid(f"{where}.mountPath", mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        if mount.name in devices:
            yield field_errors.invalid(f"{where}.name", mount.name, "must not already exist in volumeDevices")
        yield from _sub_paths(where, mount)
        yield from _propagation(where, mount, container)


def _sub_paths(path: str, mount: VolumeMount) -> Errors:
    for shown, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
        if not value:
            continue
        yield from names.check_descending(f"{path}.{shown}", value)
    if mount.sub_path and mount.sub_path_expr:
        detail = "subPathExpr and subPath are mutually exclusive"
        yield field_errors.invalid(f"{path}.subPathExpr", mount.sub_path_expr, detail)


def _propagation(path: str, mount: VolumeMount, container: Container) -> Errors:
    propagation, recursive = mount.mount_propagation, mount.recursive_read_only
    if propagation is not None:
        where = f"{path}.mountPropagation"
        if propagation not in PROPAGATIONS:
            yield field_errors.not_supported(where, propagation, PROPAGATIONS)
        privileged = container.security_context is not None and container.security_context.privileged
        if propagation == "Bidirectional" and not privileged:
            detail = "Bidirectional mount propagation is available only to privileged containers"
            yield field_errors.forbidden(where, detail)
    if recursive in (None, "Disabled"):
        return
    where = f"{path}.recursiveReadOnly"
    if recursive not in ("Enabled", "IfPossible"):
        yield field_errors.not_supported(where, recursive, ("Disabled", "Enabled", "IfPossible"))
        return
    if not mount.read_only:
        yield field_errors.forbidden(where, "may only be specified when readOnly is true")
    if propagation not in (None, "None"):
        yield field_errors.forbidden(where, "may only be specified when mountPropagation is None or not specified")


def _devices(path: str, container: Container, known: Mapping[str, Volume]) -> Errors:
    mounted = {mount.name for mount in container.volume_mounts}
    seen_names, seen_paths = set(), set()
    for index, device in enumerate(container.volume_devices):
        where = f"{path}[{index}]"
        volume = known.get(device.name)
        if not device.name:
            yield field_errors.required(f"{where}.name")
        if device.name in seen_names:
            yield field_errors.invalid(f"{where}.name", device.name, "must be unique")
        if volume is None:
            yield field_errors.not_found(f"{where}.name", device.name)
        elif not volume.persistent_volume_claim and not volume.ephemeral:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield field_errors.invalid(f"{where}.name", device.name, detail)
        if not device.device_path:
            yield field_errors.required(f"{where}.devicePath")
        if device.device_path in seen_paths:
            yield field_errors.invalid(f"{where}.devicePath", device.device_path, "must be unique")
        if ".." in device.device_path.split("/"):
            yield field_errors.invalid(f"{where}.devicePath", device.device_path, "can not contain backsteps ('..')")
        if device.name in mounted:
            yield field_errors.invalid(f"{where}.name", device.name, "must not already exist in volumeMounts")
        seen_names.add(device.name)
        seen_paths.add(device.device_path)
