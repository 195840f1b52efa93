"""`python -m pause`: be the pause process of the namespaces one is in, as `unshare --net python -m pause`."""

from __future__ import annotations

import os
import signal

from pause.hold import hold
from pause.leave import take_name


def main() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())  # SIGTERM is heeded from the first line on
    names = ("net", "ipc", "uts", "pid")
    held = ", ".join(f"{name} {os.stat(f'/proc/self/ns/{name}').st_ino}" for name in names)
    print(f"pause: process {os.getpid()} holds the namespaces {held} until SIGTERM", flush=True)
    take_name()
    hold()


main()
