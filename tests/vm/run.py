"""Runs pytest inside a VM with cgroup v2 and prints what it prints: `tests/vm/run.py [options] [pytest arguments]`.

Results (junit.xml, kernel.log, console.log) land in build/vm/. Exit code: pytest's; 124 when the time was up or the VM
hung twice, as emulated processors do once in many runs; 125 when the VM ended without a result.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import image as images
import machine

from tests.witness import build as witness

PROJECT = images.PROJECT
PATIENCE = 20  # times slower than outside, for the limits on waits
SILENCE = 480  # seconds without a word after which the VM hangs: tests are shorter, and pytest says something of each
# What the guest has no use for: linters, installers, caches, results.
LEFT_OUT = (".git", "*_cache", "build/vm", "mypy", "mypyc", "ruff", "*__mypyc*.so", "pip", "setuptools", ".hypothesis")


def main() -> int:
    options, words = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` ends QEMU
    try:
        return run_job(options, words)
    except images.VmError as error:
        print(error, file=sys.stderr)
        return 125


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="all tests, not only the ones meant for cgroup v2")
    parser.add_argument("--systemd", action="store_true", help="boot with systemd and run the tests marked so")
    parser.add_argument("--shell", metavar="COMMAND", help="run this instead of pytest")
    parser.add_argument("--memory", type=int, default=3072, help="of the VM, in MiB")
    parser.add_argument("--accelerator", default="tcg,thread=multi", help="of QEMU: `kvm` where that works")
    parser.add_argument("--limit", type=int, default=3600, help="seconds until the VM is ended")
    return parser.parse_known_args()


def command(options: argparse.Namespace, words: list[str]) -> list[str]:
    """What the guest runs."""
    if options.shell:
        return ["/bin/sh", "-c", options.shell]
    if options.systemd:
        selection = ["-m", "systemd", "tests/pod"]
    elif options.all:
        selection = ["-m", "not systemd", "tests/unit", "tests/kernel", "tests/pod"]
    else:
        selection = ["-m", "vm and not systemd", "tests/kernel", "tests/pod"]
    if any(Path(word.partition("::")[0]).exists() for word in words):
        selection = selection[:2]
    pytest = [f"{PROJECT}/.venv/bin/python", "-m", "pytest", "-p", "no:cacheprovider", *workers(options)]
    fixed = ["--junit-xml=/job/results/junit.xml", "-o", "faulthandler_timeout=600", *colour()]
    return [*pytest, *fixed, *selection, *words]


def workers(options: argparse.Namespace) -> list[str]:
    """As many as the VM has processors; the tests of the service share the one systemd."""
    return ["-p", "no:xdist"] if options.systemd else ["-n", "2", "--dist", "loadfile"]


def colour() -> list[str]:
    return ["--color=yes"] if sys.stdout.isatty() else ["--color=no"]


def environment(options: argparse.Namespace) -> list[str]:
    columns = shutil.get_terminal_size().columns
    alone = [] if options.systemd else ["PODRUN_TEST_ALONE=1"]  # systemd makes and ends things of its own meanwhile
    return [f"COLUMNS={columns}", f"PODRUN_TEST_PATIENCE={PATIENCE}", *alone]


def run_job(options: argparse.Namespace, words: list[str]) -> int:
    check_interpreter()
    image = images.cached()
    results = PROJECT / "build/vm"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="podrun-vm-") as name:
        workshop = Path(name)
        images.initrd(image, workshop / "initrd")
        pack(workshop, options, words)
        hardware = machine.Machine(
            kernel=image.kernel,
            initrd=workshop / "initrd",
            fixed=(image.root, workshop / "job.tar"),
            scratch=(workshop / "results", workshop / "disk"),
            console=results / "console.log",
            memory=options.memory,
            accelerator=options.accelerator,
        )
        silence = math.inf if options.shell else SILENCE
        for is_last in (False, True):
            make_drives(*hardware.scratch)
            end = machine.run(hardware, options.limit, silence)
            if end is not machine.End.SILENT or is_last or unpack(workshop / "results", results) is not None:
                return outcome(workshop / "results", results, end)
            print(f"the VM hangs, is ended and started once more; its console after {silence} s:", file=sys.stderr)
            print_console(results)
        raise AssertionError


def make_drives(outcome: Path, disk: Path) -> None:
    """Empty and sparse."""
    for path, size in ((outcome, 256 << 20), (disk, 8 << 30)):
        with open(path, "wb") as drive:
            drive.truncate(size)
    images.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m0", "-E", "root_owner=0:0", disk)


def check_interpreter() -> None:
    interpreter = Path(PROJECT / ".venv/bin/python").resolve()
    if interpreter.parent != Path("/usr/bin"):
        raise images.VmError(
            f"cannot run tests in the VM: .venv was made with {interpreter}, which the VM does not have"
        )


def pack(workshop: Path, options: argparse.Namespace, words: list[str]) -> None:
    """The job drive: the project with its .venv at the same place as here, and /job with what to run."""
    job = workshop / "job"
    job.mkdir()
    (job / "directory").write_text(f"{PROJECT}\n")
    (job / "flavour").write_text("systemd\n" if options.systemd else "lean\n")
    (job / "command").write_text("".join(f"{word}\n" for word in command(options, words)))
    (job / "environment").write_text("".join(f"{setting}\n" for setting in environment(options)))
    # Compiling is slow in there, and there is no C compiler: all that is done out here.
    witness.witness()
    compile_all = [f"{PROJECT}/.venv/bin/python", "-m", "compileall", "-q", "podrun", "pause", "cgroups"]
    subprocess.run(compile_all, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False)
    excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    owner = ["--owner=0", "--group=0", "--numeric-owner"]
    # The project changes under a developer's hands while it is packed; tar says so with code 1.
    project = str(PROJECT).lstrip("/")
    archive: list[str | Path] = [
        "tar",
        "-cf",
        workshop / "job.tar",
        *owner,
        *excluded,
        "-C",
        "/",
        project,
        "-C",
        workshop,
        "job",
    ]
    result = subprocess.run(archive, stderr=subprocess.PIPE, text=True)
    if result.returncode > 1:
        raise images.VmError(f"cannot pack the project for the VM: {result.stderr}")


def outcome(drive: Path, results: Path, end: machine.End) -> int:
    """The exit code of what the guest ran; says why there is none."""
    if (code := unpack(drive, results)) is not None:
        return code
    print(f"cannot read a result of the run in the VM: {end.value}; its console ends:", file=sys.stderr)
    print_console(results)
    return 125 if end is machine.End.BY_ITSELF else 124


def unpack(drive: Path, results: Path) -> int | None:
    """Files that the guest wrote, and the exit code that is one of them; None where it did not come so far."""
    try:
        with tarfile.open(drive, "r:") as archive:
            for member in archive:
                if member.isfile():
                    archive.makefile(member, str(results / Path(member.name).name))
        return int((results / "exit").read_text())
    except (tarfile.TarError, OSError, ValueError):
        return None


def print_console(results: Path) -> None:
    print((results / "console.log").read_text(errors="replace")[-3000:], file=sys.stderr)


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    if os.environ.get("PODRUN_VM_TIME"):
        print(f"{time.monotonic() - started:.1f} s", file=sys.stderr)
    sys.exit(code)
