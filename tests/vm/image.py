"""The VM's kernel and root image: built from Debian packages of this machine's own apt sources and kept in a cache.

The key of the cache is what the build reads: names of packages, the kernel's version, this file. The initrd is not
cached: it carries the scripts of guest/ and takes a moment, so a change of theirs needs no rebuild of the image.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")  # Debian's, Ubuntu's
INITRD_MODULES = ("virtio_pci", "virtio_blk", "overlay")
IMAGE_SIZE = "1500M"  # sparse


class VmError(Exception):
    """The VM cannot be built or run; the message says why."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a run boots from."""

    kernel: Path
    modules: Path  # a directory that holds lib/modules/VERSION
    version: str
    root: Path


def run(*command: str | Path, cwd: Path | None = None, stdin: str | None = None) -> str:
    """Standard output of a command; VmError with what it said where it fails."""
    environment = os.environ | {"LC_ALL": "C"}
    try:
        result = subprocess.run(command, cwd=cwd, input=stdin, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise VmError(f"cannot run {command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        raise VmError(f"cannot build the VM: {' '.join(map(str, command))}:\n{result.stdout}{result.stderr}")
    return result.stdout


def cached() -> Image:
    """The image for what is wanted now, built if the cache has none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podrun-vm"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:  # released by closing, also when the builder is killed
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel, packages = kernel_package(), guest_packages()
        if not (cache / key(kernel, packages)).exists():
            with contextlib.suppress(VmError):  # one source of many may be gone for good
                patiently(refresh)  # old lists point to what the mirrors no longer have
            kernel = kernel_package()
        place = cache / key(kernel, packages)
        if not place.exists():
            print(f"building the VM's image ({kernel}, {len(packages)} packages), about a minute", file=sys.stderr)
            remove_unused(cache)
            build(place, kernel, packages)
        os.utime(place)
    version = next((place / "kernel/lib/modules").iterdir()).name
    return Image(place / f"kernel/boot/vmlinuz-{version}", place / "kernel", version, place / "root.ext4")


def remove_unused(cache: Path) -> None:
    """Takes away images that no run has asked for in a week, such as those with an older kernel."""
    for place in cache.iterdir():
        if place.is_dir() and place.stat().st_mtime < time.time() - 7 * 86400:
            shutil.rmtree(place)


def key(kernel: str, packages: list[str]) -> str:
    words = [Path(__file__).read_text(), kernel, *packages, *map(str, source_files())]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def guest_packages() -> list[str]:
    return run(PROJECT / "setup/apt", "--list", "run", "guest").split()


def kernel_package() -> str:
    """`NAME=VERSION` of the newest kernel package, not of the metapackage that points to it."""
    for refreshed in (False, True):
        if refreshed:
            patiently(refresh)
        for metapackage in KERNEL_PACKAGES:
            command, environment = ["apt-cache", "depends", metapackage], os.environ | {"LC_ALL": "C"}
            lines = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
            for line in lines.splitlines():
                name = line.removeprefix("  Depends: ").strip()
                if name.startswith("linux-image-") and name != metapackage:
                    policy = run("apt-cache", "policy", name)
                    return name + "=" + policy.partition("Candidate: ")[2].split()[0]
    raise VmError(f"cannot build the VM: apt offers none of {', '.join(KERNEL_PACKAGES)}")


def build(place: Path, kernel: str, packages: list[str]) -> None:
    if os.geteuid() != 0:
        raise VmError("cannot build the VM's image: not root")
    with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent) as name:
        workshop = Path(name)
        patiently(lambda: fetch_kernel(workshop, kernel))
        patiently(lambda: make_tree(workshop, packages))
        tree = workshop / "tree"
        run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m0", "-d", tree, workshop / "root.ext4", IMAGE_SIZE)
        shutil.rmtree(tree)
        (workshop / "apt.conf").unlink()
        workshop.rename(place)
        workshop.mkdir()  # for TemporaryDirectory to remove


def refresh() -> None:
    run("apt-get", "-q", "-o", "Acquire::Retries=5", "update", "--error-on=any")


def patiently(fetch: Callable[[], None]) -> None:
    """Mirrors are in the middle of a change at times."""
    for pause in (10, 30):
        try:
            return fetch()
        except VmError as error:
            print(f"{error}\ntrying again in {pause} seconds", file=sys.stderr)
        time.sleep(pause)
    return fetch()


def fetch_kernel(workshop: Path, package: str) -> None:
    """The kernel and its modules under kernel/. Never installed on this machine."""
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=workshop)
    (archive,) = workshop.glob("*.deb")
    run("dpkg-deb", "-x", archive, workshop / "kernel")
    archive.unlink()
    modules = workshop / "kernel/lib/modules"
    if not modules.is_dir():  # newer distributions ship merged directories
        (workshop / "kernel/lib").symlink_to("usr/lib")
    run("depmod", "-b", workshop / "kernel", next(modules.iterdir()).name)


def make_tree(workshop: Path, packages: list[str]) -> None:
    """The root directory, by mmdebstrap, with this machine's sources, proxies, keys and passwords for apt."""
    shutil.rmtree(workshop / "tree", ignore_errors=True)  # of an attempt that failed
    settings = workshop / "apt.conf"
    wanted = (line for line in run("apt-config", "dump").splitlines() if line.startswith("Acquire::"))
    settings.write_text("\n".join(wanted) + "\n")
    credentials = [
        p for p in ("/etc/apt/auth.conf", "/etc/apt/auth.conf.d", "/etc/apt/preferences.d") if Path(p).exists()
    ]
    modules = workshop / "kernel/lib/modules"
    run(
        "mmdebstrap",
        "--mode=root",
        "--variant=essential",
        "--include=" + ",".join(packages),
        f"--aptopt={settings}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *(f'--setup-hook=cp -a {path} "$1/etc/apt/"' for path in credentials),
        *(f'--customize-hook=rm -rf "$1{path}"' for path in credentials),
        f'--customize-hook=mkdir -p "$1/usr/lib/modules" && cp -a {modules}/. "$1/usr/lib/modules/"',
        '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf"',
        '--customize-hook=echo podrun-vm >"$1/etc/hostname"',
        "",
        workshop / "tree",
        *source_files(),
    )


def source_files() -> list[Path]:
    """The files under /etc/apt that name the distribution's own archives, and none of third parties."""
    lines = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(SOURCESENTRY)", "Created-By: Packages").splitlines()
    entries = (line.partition(" ") for line in lines)
    files = {Path(entry.rpartition(":")[0]) for origin, _, entry in entries if origin in ("Debian", "Ubuntu")}
    if not files:
        raise VmError("cannot build the VM: no source of Debian or Ubuntu packages under /etc/apt")
    return sorted(files)


def initrd(image: Image, target: Path) -> None:
    """A small first root: busybox, the modules that reach the drives, and the scripts of guest/."""
    with tempfile.TemporaryDirectory(prefix="podrun-initrd-") as name:
        tree = Path(name)
        for directory in ("bin", "modules", "proc", "sys", "dev", "image", "upper", "disk", "root", "guest"):
            (tree / directory).mkdir()
        shutil.copy2("/bin/busybox", tree / "bin/busybox")
        (tree / "bin/sh").symlink_to("busybox")
        for number, module in enumerate(modules_in_order(image)):
            (tree / f"modules/{number:02}-{module.name.partition('.')[0]}.ko").write_bytes(unpacked(module))
        for script in (HERE / "guest").iterdir():
            shutil.copy2(script, tree / "guest")
        shutil.move(tree / "guest/init", tree / "init")
        names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        with open(target, "wb") as output:
            subprocess.run(
                ["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=names.encode(), stdout=output, check=True
            )


def modules_in_order(image: Image) -> list[Path]:
    """Files of the modules that the initrd loads, each after what it depends on."""
    files: dict[str, None] = {}
    for module in INITRD_MODULES:
        for line in run("modprobe", "-d", image.modules, "-S", image.version, "--show-depends", module).splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod":
                files[path.split()[0]] = None
    return [Path(file) for file in files]


def unpacked(module: Path) -> bytes:
    """Newer distributions compress modules; busybox loads only plain ones."""
    match module.suffix:
        case ".xz" | ".zst" as suffix:
            command = {".xz": "xz", ".zst": "zstd"}[suffix]
            return subprocess.run([command, "-dc", module], stdout=subprocess.PIPE, check=True).stdout
        case _:
            return module.read_bytes()
