"""The witness compiled, once for each version of its source. Static: it runs in an otherwise empty image."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("witness.c")
CACHE = Path(__file__).resolve().parents[2] / "build/witness"  # in the project, so that it comes along into the VM


def witness() -> Path:
    """The program's path; compiled at the first call, safe with several callers at once."""
    version = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / version
    if not program.exists():
        fresh = CACHE / f"{version}.{os.getpid()}"
        subprocess.run(["gcc", "-Os", "-s", "-static", "-Wall", "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(program)
    return program
