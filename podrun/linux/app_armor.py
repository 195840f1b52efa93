"""AppArmor: the profile that the caller changes to at its next exec, proc_pid_attr(5). Loading is done elsewhere."""

from __future__ import annotations

import os

_PATHS = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")  # the first since Linux 5.1


def open_exec_attribute() -> int:
    """Where `change_at_exec` writes. Raises OSError: this kernel has no AppArmor."""
    for path in _PATHS:
        try:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(2, "AppArmor is not enabled on the host")


def change_at_exec(attribute: int, profile: str) -> None:
    """Raises OSError: ENOENT where no such profile is loaded."""
    os.write(attribute, f"exec {profile}".encode())
