"""Which images this machine can run, in the words of the OCI image spec (Go's GOOS and GOARCH)."""

from __future__ import annotations

import platform

from podrun.image.errors import BadImage

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "i386": "386",
    "mips64": "mips64le",
    "loongarch64": "loong64",
}
_ALSO_RUNS = {"amd64": ("386",)}


def host_architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def runs_here(os: str, architecture: str) -> bool:
    """Old tools leave both empty: then nothing speaks against it."""
    host = host_architecture()
    return os in ("", "linux") and architecture in ("", host, *_ALSO_RUNS.get(host, ()))


def require(os: str, architecture: str) -> None:
    """Raises BadImage for an image that is made for another machine."""
    if not runs_here(os, architecture):
        wanted = f"{os or 'linux'}/{architecture or host_architecture()}"
        raise BadImage(f"it is made for {wanted} and this machine is linux/{host_architecture()}")
