"""AppArmor on this machine: whether it is there, which profiles are loaded, and the default profile of containers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import security

ENABLED = Path("/sys/module/apparmor/parameters/enabled")
LOADED = Path("/sys/kernel/security/apparmor/profiles")
DEFAULT = "podrun-default"
UNCONFINED = "unconfined"

# What containerd's and Docker's default profiles say: everything but what reaches into the machine.
PROFILE = f"""
profile {DEFAULT} flags=(attach_disconnected,mediate_deleted) {{
  network,
  capability,
  file,
  umount,
  unix,
  signal (receive) peer=unconfined,
  signal (send,receive) peer={DEFAULT},
  ptrace (trace,tracedby,read,readby) peer={DEFAULT},
  deny /proc/* w,
  deny /proc/{{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}}/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/{{?,??,[^s][^h][^m]**}} w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/mem rwklx,
  deny /proc/kmem rwklx,
  deny /proc/kcore rwklx,
  deny mount,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"""


def refusal(pod: objects.Pod) -> str:
    """Why a pod that asks for a profile can't have one here, in a kubelet's words; empty where it can."""
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    asked = (security.app_armor_profile(pod, spec) for spec in containers)
    if not any(profile is not None and profile.type != "Unconfined" for profile in asked) or is_enabled():
        return ""
    return "Cannot enforce AppArmor: AppArmor is not enabled on the host"


def is_enabled() -> bool:
    try:
        return ENABLED.read_text().startswith("Y")
    except OSError:
        return False


def profile_name(pod: objects.Pod, spec: objects.Container) -> str:
    """What the container's exec changes to; empty for no change. PodrunError: it is not there. Blocks at first."""
    asked = security.app_armor_profile(pod, spec)
    if asked is None or (asked.type == "Unconfined" and not is_enabled()):
        return ""
    if asked.type == "Unconfined":
        return UNCONFINED
    if asked.type == "RuntimeDefault":
        if not _is_loaded(DEFAULT):
            _load()
        return DEFAULT
    name = asked.localhost_profile or ""
    if not _is_loaded(name):
        raise PodrunError(f"apparmor profile not found {name}")
    return name


def _is_loaded(name: str) -> bool:
    try:
        lines = LOADED.read_text().splitlines()
    except OSError as error:
        raise PodrunError(f"cannot read the loaded AppArmor profiles: {LOADED}: {error.strerror}") from error
    return any(line.rpartition(" (")[0] == name for line in lines)


def _load() -> None:
    try:
        done = subprocess.run(
            ["apparmor_parser", "--replace", "--skip-cache"], input=PROFILE, capture_output=True, text=True, check=False
        )
    except OSError as error:
        hint = "install the package apparmor"
        raise PodrunError(f"cannot load AppArmor profile {DEFAULT}: apparmor_parser: {error.strerror}", hint) from error
    if done.returncode != 0:
        raise PodrunError(f"cannot load AppArmor profile {DEFAULT}: {done.stderr.strip()}")
