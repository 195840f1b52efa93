"""What this node allows pods, from the kubelet's settings, and whom it turns away. Pure.

Rules: pkg/kubelet/sysctl, pkg/kubelet/kubelet.go (rejectPod), the kubelet's options of the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import sysctls

SECCOMP_DEFAULTS = ("RuntimeDefault", "Unconfined")


@dataclass(frozen=True, slots=True)
class NodePolicy:
    seccomp_default: str  # the profile of who asks for none
    sysctls: tuple[str, ...]  # names, and prefixes that end in *
    pod_pids: int | None  # processes and threads of one pod; None: as many as the machine has


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a pod never starts, as its status and an event say it."""

    reason: str
    message: str


def policy(seccomp_default: str, unsafe_sysctls: str, pod_max_pids: str) -> NodePolicy:
    """PodrunError for a setting that means nothing."""
    if seccomp_default not in SECCOMP_DEFAULTS:
        known = " or ".join(SECCOMP_DEFAULTS)
        raise PodrunError(f'cannot run the kubelet: --seccomp-default must be {known}, not "{seccomp_default}"')
    try:
        pids = int(pod_max_pids)
    except ValueError:
        pids = 0
    if pids < 1 and pids != -1:
        raise PodrunError(
            f'cannot run the kubelet: --pod-max-pids must be a number above 0, or -1, not "{pod_max_pids}"'
        )
    return NodePolicy(seccomp_default, sysctls.allowed(unsafe_sysctls), None if pids == -1 else pids)


def rejection(pod: objects.Pod, allowed: NodePolicy, app_armor_refusal: str) -> Rejection | None:
    """`app_armor_refusal`: what app_armor.py says of the pod."""
    if forbidden := sysctls.refusal(pod.spec, allowed.sysctls):
        return Rejection("SysctlForbidden", forbidden)
    if app_armor_refusal:
        return Rejection("AppArmor", app_armor_refusal)
    return None
