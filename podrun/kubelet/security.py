"""Who a container's program is, what it may do and what it sees of the machine: the pod's wish over the image. Pure.

Rules: pkg/kubelet/kuberuntime (security_context.go, util), pkg/securitycontext, and containerd's CRI plugin.
"""

from __future__ import annotations

from typing import TypeVar

from cgroups import devices
from cgroups.devices import DeviceRule
from podrun.api import objects
from podrun.container import defaults
from podrun.container.plan import Bind, Identity, Mask, Mount, NamespaceMode, PodShm
from podrun.errors import PodrunError
from podrun.image.images import Image
from podrun.linux import capabilities

T = TypeVar("T")
_NOTHING, _NOTHING_OF_POD = objects.SecurityContext(), objects.PodSecurityContext()


def identity(pod: objects.Pod, spec: objects.Container, image: Image) -> Identity:
    """PodrunError for a capability that nobody knows.

    A user of the pod's own drops the image's group with the image's user.
    """
    own, of_pod = _contexts(pod, spec)
    user, _, group = image.config.user.partition(":")
    wanted_user, wanted_group = (
        _first(own.run_as_user, of_pod.run_as_user),
        _first(own.run_as_group, of_pod.run_as_group),
    )
    if wanted_user is not None:
        user, group = str(wanted_user), ""
    fs_group = () if of_pod.fs_group is None else (of_pod.fs_group,)
    return Identity(
        user=user or "0",
        group=group if wanted_group is None else str(wanted_group),
        groups=(*fs_group, *of_pod.supplemental_groups),
        image_groups=of_pod.supplemental_groups_policy != "Strict",
        capabilities=capability_mask(spec),
        no_new_privs=own.allow_privilege_escalation is False,
    )


def non_root_violation(pod: objects.Pod, spec: objects.Container, image: Image) -> str:
    """Why runAsNonRoot forbids the container, in a kubelet's words (verifyRunAsNonRoot); empty where it does not."""
    own, of_pod = _contexts(pod, spec)
    if not _first(own.run_as_non_root, of_pod.run_as_non_root):
        return ""
    meta = pod.metadata
    where = f'(pod: "{meta.name}_{meta.namespace}({meta.uid})", container: {spec.name})'
    wanted = _first(own.run_as_user, of_pod.run_as_user)
    if wanted is not None:
        return f"container's runAsUser breaks non-root policy {where}" if wanted == 0 else ""
    user = image.config.user.partition(":")[0]
    if user and not user.isdecimal():
        named = f"container has runAsNonRoot and image has non-numeric user ({user})"
        return f"{named}, cannot verify user is non-root {where}"
    return "" if int(user or 0) else f"container has runAsNonRoot and image will run as root {where}"


def capability_mask(spec: objects.Container) -> int:
    """The default set, or all for `add: [ALL]`, or none for `drop: [ALL]`; then what is added, then what is dropped."""
    wanted = (spec.security_context or _NOTHING).capabilities or objects.Capabilities()
    if is_privileged(spec):
        return ALL_CAPABILITIES
    added, dropped = (tuple(map(_capability, names)) for names in (wanted.add, wanted.drop))
    mask = ALL_CAPABILITIES if "ALL" in added else defaults.DEFAULT_CAPABILITIES
    mask = 0 if "ALL" in dropped else mask
    mask |= capabilities.mask(*(name for name in added if name != "ALL"))
    return mask & ~capabilities.mask(*(name for name in dropped if name != "ALL"))


ALL_CAPABILITIES = capabilities.mask(*capabilities.NAMES)


def _capability(name: str) -> str:
    known = name.upper().removeprefix("CAP_")
    if known != "ALL" and known not in capabilities.NUMBERS:
        raise PodrunError(f'unknown capability: "{name}"')
    return known


def is_privileged(spec: objects.Container) -> bool:
    return bool((spec.security_context or _NOTHING).privileged)


def has_readonly_root(spec: objects.Container) -> bool:
    return bool((spec.security_context or _NOTHING).read_only_root_filesystem)


def seccomp_profile(pod: objects.Pod, spec: objects.Container) -> objects.SeccompProfile | None:
    """What is asked for; None: nothing. Nothing filters the calls of a privileged container."""
    own, of_pod = _contexts(pod, spec)
    if own.privileged:
        return objects.SeccompProfile(type="Unconfined")
    return _first(own.seccomp_profile, of_pod.seccomp_profile)


def app_armor_profile(pod: objects.Pod, spec: objects.Container) -> objects.AppArmorProfile | None:
    own, of_pod = _contexts(pod, spec)
    return _first(own.app_armor_profile, of_pod.app_armor_profile)


# ---- the machine -----------------------------------------------------------------------------------------------------


def host_or_pod(host: bool) -> NamespaceMode:
    return NamespaceMode.HOST if host else NamespaceMode.POD


def pid_mode(spec: objects.PodSpec) -> NamespaceMode:
    if spec.host_pid:
        return NamespaceMode.HOST
    return NamespaceMode.POD if spec.share_process_namespace else NamespaceMode.PRIVATE


def device_rules(spec: objects.Container) -> tuple[DeviceRule, ...]:
    return devices.EVERYTHING if is_privileged(spec) else devices.STANDARD


def system_mounts(pod: objects.Pod, spec: objects.Container) -> tuple[Mount, ...]:
    """The system's own file systems. With the machine's IPC namespace comes its shared memory."""
    shm = Bind("/dev/shm", "/dev/shm", recursive=False)
    standard = defaults.standard_mounts(privileged=is_privileged(spec))
    return tuple(shm if pod.spec.host_ipc and isinstance(mount, PodShm) else mount for mount in standard)


def walls(spec: objects.Container, masked: tuple[str, ...] = ()) -> tuple[Mount, ...]:
    """What covers and freezes parts of /proc and /sys; `masked` is what this machine adds."""
    unmasked = (spec.security_context or _NOTHING).proc_mount == "Unmasked"
    return () if is_privileged(spec) or unmasked else (*defaults.walls(), *map(Mask, masked))


def _contexts(pod: objects.Pod, spec: objects.Container) -> tuple[objects.SecurityContext, objects.PodSecurityContext]:
    return spec.security_context or _NOTHING, pod.spec.security_context or _NOTHING_OF_POD


def _first(own: T | None, of_pod: T | None) -> T | None:
    """The container's word stands over the pod's."""
    return of_pod if own is None else own
