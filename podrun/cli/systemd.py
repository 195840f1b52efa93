"""systemd's part: whether it keeps this instance's kubelet, and asking it for things by systemctl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from podrun.errors import PodrunError
from podrun.paths import Paths

UNIT = "podrun.service"

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)


def keeps_kubelet(paths: Paths) -> bool:
    """Whether the unit is installed on a machine that runs systemd, and is for this instance: the default one."""
    if paths != Paths() or not _BOOTED.is_dir():
        return False
    return any(Path(directory, UNIT).exists() for directory in _UNIT_DIRECTORIES)


def start() -> str:
    """Empty, or what the unit's journal ends with if it did not start."""
    done = _systemctl("start", UNIT)
    if done.returncode == 0:
        return ""
    journal = _run("journalctl", "--unit", UNIT, "--lines", "20", "--output", "cat", "--no-pager")
    return f"{done.stderr}\n{journal.stdout}"


def stop() -> None:
    done = _systemctl("stop", UNIT)
    if done.returncode != 0:
        raise PodrunError(f"cannot stop the kubelet: {done.stderr.strip()}")


def is_active() -> bool:
    return _systemctl("is-active", "--quiet", UNIT).returncode == 0


def journal_command(*, follow: bool) -> list[str]:
    return ["journalctl", "--unit", UNIT, "--no-pager", *(["--follow"] if follow else [])]


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _run("systemctl", *arguments)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PodrunError(f"cannot run {command[0]}: {error.strerror}") from error
