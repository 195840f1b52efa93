"""QEMU: the command line of the VM, its output streamed, its end made sure of."""

from __future__ import annotations

import enum
import os
import platform
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

KERNEL_WORDS = "console=ttyS0 panic=-1 mitigations=off quiet loglevel=3 tsc=reliable no_timer_check random.trust_cpu=on"


class End(enum.Enum):
    """How a run of the VM came to its end."""

    BY_ITSELF = "it ended by itself"
    LATE = "the time was up"
    SILENT = "nothing was heard of it any more"


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
        # A full disk out here is an error in there; else the VM would stand still until somebody makes room.
        words += ["-drive", f"file={path},format=raw,if=virtio,cache=unsafe,werror=report,rerror=report"]
    return words


def run(machine: Machine, seconds: float, silence: float) -> End:
    """Runs it to its end, its output passed on as it comes, but no longer than `seconds`, nor than `silence` without
    a word of the job."""
    process = subprocess.Popen(command(machine), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    begun = heard = time.monotonic()
    try:
        while True:
            if time.monotonic() - begun > seconds:
                return End.LATE
            if time.monotonic() - heard > silence:
                return End.SILENT
            if not select.select([process.stdout], [], [], 1)[0]:
                continue
            if not (chunk := os.read(process.stdout.fileno(), 65536)):
                process.wait()
                return End.BY_ITSELF
            heard = time.monotonic()
            sys.stdout.buffer.write(chunk.replace(b"\r\n", b"\n"))
            sys.stdout.buffer.flush()
    finally:
        process.kill()
        process.wait()
