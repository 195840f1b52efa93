"""What the figures were measured on: the kind of machine and the versions, nothing that names this one."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import psutil

import podrun
from cgroups import hierarchies

_PEERS = ("crun", "runc", "podman", "conmon", "catatonit")


def facts() -> str:
    memory = psutil.virtual_memory().total / 2**30
    kernel = platform.release().partition("-")[0]
    first = f"{psutil.cpu_count()} processors ({_processor()}), {memory:.0f} GiB, Linux {kernel}"
    second = f"cgroups: {hierarchies.current().mode}; {_distribution()}, Python {platform.python_version()}"
    versions = ", ".join(f"{package} {_version(package)}" for package in _PEERS)
    return f"{first}; {second}.\npodrun {podrun.__version__} beside {versions} (Debian's packages).\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _version(package: str) -> str:
    words = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(words, capture_output=True, text=True).stdout or "unknown"
