"""The witness compiled, once for each version of its source. Static: it runs in an otherwise empty image."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("witness.c")


def witness() -> Path:
    """The program's path; compiled at the first call, safe with several callers at once."""
    version = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    cache = Path(tempfile.gettempdir()) / f"podrun-witness-{os.getuid()}"
    cache.mkdir(mode=0o755, exist_ok=True)
    program = cache / version
    if not program.exists():
        fresh = cache / f"{version}.{os.getpid()}"
        subprocess.run(["gcc", "-Os", "-s", "-static", "-Wall", "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(program)
    return program
