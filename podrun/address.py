"""Where the kubelet of an instance listens. Apart from `paths`, because a command that talks to it needs no more."""

from __future__ import annotations

import os
from collections.abc import Mapping

RUN_DIR = "/run/podrun"
SOCKET = "podrun.sock"


def socket_path(environment: Mapping[str, str] = os.environ) -> str:
    """`Paths.socket` of the same environment."""
    return os.path.join(environment.get("PODRUN_RUN_DIR") or RUN_DIR, SOCKET)
