"""QEMU: the command line of the VM, its output streamed, its end made sure of."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

KERNEL_WORDS = "console=ttyS0 panic=-1 mitigations=off quiet loglevel=3 tsc=reliable no_timer_check random.trust_cpu=on"


@dataclass(frozen=True, slots=True)
class Machine:
    """The VM's parts. `fixed` drives are read only and become vda and vdb, the `scratch` ones vdc and vdd."""

    kernel: Path
    initrd: Path
    fixed: tuple[Path, Path]
    scratch: tuple[Path, Path]
    console: Path
    memory: int  # MiB
    accelerator: str


def command(machine: Machine) -> list[str]:
    """Console on the first serial port, the job's output on the second: nothing of the kernel gets in between."""
    words = ["setpriv", "--pdeathsig", "KILL", f"qemu-system-{platform.machine()}"]
    words += ["-M", "q35", "-accel", machine.accelerator, "-cpu", "max", "-smp", "2", "-m", str(machine.memory)]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"]
    words += ["-kernel", str(machine.kernel), "-initrd", str(machine.initrd), "-append", KERNEL_WORDS]
    words += ["-chardev", f"file,id=console,path={machine.console}", "-serial", "chardev:console"]
    words += ["-chardev", "stdio,id=job,signal=off", "-serial", "chardev:job"]
    for path in machine.fixed:
        words += ["-drive", f"file={path},format=raw,if=virtio,readonly=on"]
    for path in machine.scratch:
        words += ["-drive", f"file={path},format=raw,if=virtio,cache=unsafe"]
    return words


def run(machine: Machine, seconds: float) -> bool:
    """Runs it to its end, its job's output passed on as it comes. False if the time was up first."""
    process = subprocess.Popen(command(machine), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    time_is_up = threading.Event()

    def end() -> None:
        time_is_up.set()
        process.kill()

    watchdog = threading.Timer(seconds, end)
    watchdog.daemon = True
    watchdog.start()
    try:
        while chunk := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(chunk.replace(b"\r\n", b"\n"))
            sys.stdout.buffer.flush()
        process.wait()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    return not time_is_up.is_set()
