"""Security contexts of pods and containers."""

from __future__ import annotations

import re

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl
from podrun.api.validate_names import Errors

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_LENGTH = 253
_LOCALHOST_LENGTH = 4095
_NO_WINDOWS = "windows options cannot be set for a linux pod"
_IPC_SYSCTL = re.compile(r"kernel[./](shm|msg|sem)|fs[./]mqueue[./]")
_NET_SYSCTL = re.compile(r"net[./]")


def check_pod_security(spec: PodSpec, path: str) -> Errors:
    """The pod's own context; `path` is that of the spec."""
    context = spec.security_context
    if spec.os is not None and spec.os.name == "linux":
        yield from _no_windows(spec, path)
    if spec.host_users is False:
        for field, used in (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)):
            if used:
                yield field_errors.forbidden(f"{path}.{field}", "when `pod.Spec.HostUsers` is false")
    where = f"{path}.securityContext"
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield field_errors.invalid(f"{where}.shareProcessNamespace", True, detail)
    if context is None:
        return
    yield from names.check_id(f"{where}.fsGroup", context.fs_group)
    yield from names.check_id(f"{where}.runAsUser", context.run_as_user)
    yield from names.check_id(f"{where}.runAsGroup", context.run_as_group)
    for index, group in enumerate(context.supplemental_groups):
        yield from names.check_id(f"{where}.supplementalGroups[{index}]", group)
    yield from _sysctls(f"{where}.sysctls", context.sysctls, spec)
    for field, value, choices in (
        ("fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")),
        ("seLinuxChangePolicy", context.se_linux_change_policy, ("MountOption", "Recursive")),
    ):
        if value is not None and value not in choices:
            yield field_errors.not_supported(f"{where}.{field}", value, choices)
    yield from _seccomp(f"{where}.seccompProfile", context.seccomp_profile)
    yield from _app_armor(f"{where}.appArmorProfile", context.app_armor_profile)


def _no_windows(spec: PodSpec, path: str) -> Errors:
    """Only where a pod says that it is one for Linux: else a node of Linux takes no notice of them."""
    contexts: list[tuple[str, PodSecurityContext | SecurityContext | None]] = [(path, spec.security_context)]
    for field, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        contexts += [(f"{path}.{field}[{index}]", each.security_context) for index, each in enumerate(containers)]
    for where, context in contexts:
        if context is not None and context.windows_options is not None:
            yield field_errors.forbidden(f"{where}.securityContext.windowsOptions", _NO_WINDOWS)


def check_container_security(path: str, context: SecurityContext | None, *, host_users: bool) -> Errors:
    """`path` is that of the context; `host_users`: whether the pod shares the host's user namespace."""
    if context is None:
        return
    yield from names.check_id(f"{path}.runAsUser", context.run_as_user)
    yield from names.check_id(f"{path}.runAsGroup", context.run_as_group)
    if context.proc_mount is not None:
        if context.proc_mount not in ("Default", "Unmasked"):
            yield field_errors.not_supported(f"{path}.procMount", context.proc_mount, ("Default", "Unmasked"))
        elif context.proc_mount == "Unmasked" and host_users:
            detail = "`hostUsers` must be false to use `Unmasked`"
            yield field_errors.invalid(f"{path}.procMount", context.proc_mount, detail)
    yield from _seccomp(f"{path}.seccompProfile", context.seccomp_profile)
    if context.allow_privilege_escalation is False:
        if context.privileged:
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield field_errors.invalid(path, context, detail)
        if context.capabilities and "CAP_SYS_ADMIN" in context.capabilities.add:
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield field_errors.invalid(path, context, detail)
    yield from _app_armor(f"{path}.appArmorProfile", context.app_armor_profile)


def _sysctls(path: str, sysctls: tuple[Sysctl, ...], spec: PodSpec) -> Errors:
    seen = set()
    for index, sysctl in enumerate(sysctls):
        where = f"{path}[{index}].name"
        if not sysctl.name:
            yield field_errors.required(where)
        elif len(sysctl.name) > _SYSCTL_LENGTH or not re.fullmatch(_SYSCTL, sysctl.name):
            detail = f"must have at most {_SYSCTL_LENGTH} characters and match regex ^{_SYSCTL}$"
            yield field_errors.invalid(where, sysctl.name, detail)
        elif sysctl.name in seen:
            yield field_errors.duplicate(where, sysctl.name)
        if spec.host_network and _NET_SYSCTL.match(sysctl.name):
            yield field_errors.invalid(where, sysctl.name, "may not be specified when 'hostNetwork' is true")
        if spec.host_ipc and _IPC_SYSCTL.match(sysctl.name):
            yield field_errors.invalid(where, sysctl.name, "may not be specified when 'hostIPC' is true")
        seen.add(sysctl.name)


def _seccomp(path: str, profile: SeccompProfile | None) -> Errors:
    if profile is None:
        return
    if not profile.type:
        yield field_errors.required(f"{path}.type", "type is required when seccompProfile is set")
    elif profile.type not in _PROFILES:
        yield field_errors.not_supported(f"{path}.type", profile.type, _PROFILES)
    where = f"{path}.localhostProfile"
    if profile.type == "Localhost":
        if profile.localhost_profile is None:
            yield field_errors.required(where, "must be set when seccomp type is Localhost")
        else:
            yield from names.check_descending(where, profile.localhost_profile)
    elif profile.localhost_profile is not None:
        yield field_errors.invalid(where, profile, "can only be set when seccomp type is Localhost")


def _app_armor(path: str, profile: AppArmorProfile | None) -> Errors:
    if profile is None:
        return
    if not profile.type:
        yield field_errors.required(f"{path}.type", "type is required when appArmorProfile is set")
    elif profile.type not in _PROFILES:
        yield field_errors.not_supported(f"{path}.type", profile.type, _PROFILES)
    where, localhost = f"{path}.localhostProfile", profile.localhost_profile
    if profile.type == "Localhost":
        if not localhost:
            yield field_errors.required(where, "must be set when AppArmor type is Localhost")
        elif localhost.strip() != localhost:
            yield field_errors.invalid(where, localhost, "must not be padded with whitespace")
        elif len(localhost) > _LOCALHOST_LENGTH:
            yield field_errors.too_long(where, _LOCALHOST_LENGTH)
    elif localhost is not None:
        yield field_errors.invalid(where, localhost, "can only be set when AppArmor type is Localhost")
