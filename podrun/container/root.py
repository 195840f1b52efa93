"""The root file system: an overlay that only the container's own mount namespace ever sees, and the way into it."""

from __future__ import annotations

import errno
import os

from podrun.container.newborn import StepError
from podrun.container.plan import Root
from podrun.linux import mount
from podrun.linux.mount import MountFlag
from podrun.linux.syscall import SyscallError


def mount_overlay(root: Root) -> int:
    """An O_PATH descriptor of the root of a new overlay. The caller's mount namespace is private. Raises OSError.

    It lies on its own work directory, which nobody else needs to see, so no other place has to be found for it. The
    names of layers are relative: see Documentation/filesystems/overlayfs.rst for `volatile` (no sync at all; the upper
    directory of a run is never used by another).
    """
    os.chdir(root.layers_dir)
    options = (
        f"lowerdir={lower_layers(root.layers)},upperdir={_escaped(root.upper)},workdir={_escaped(root.work)},volatile"
    )
    try:
        mount.mount("overlay", root.work, "overlay", data=options)
    except ValueError:
        reason = f"the names of {len(root.layers)} layers do not fit in one page of mount options"
        raise StepError(0, f"cannot mount the overlay: {reason}") from None
    os.chdir("/")
    return os.open(root.work, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def map_layers(root: Root, user_namespace: int) -> None:
    """Let all layers have the owners that they are given, in the pod's user namespace. Raises OSError.

    On top of their directory, in the caller's own mount namespace. Overlayfs takes such layers since Linux 5.19.
    """
    place = os.open(root.layers_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    tree = mount.open_tree(place, "")
    map_ids(tree, user_namespace, root.layers_dir)
    mount.move_mount(tree, place)
    for descriptor in (tree, place):
        os.close(descriptor)


def map_ids(tree: int, user_namespace: int, source: str, *, recursive: bool = False) -> None:
    """StepError in words where a file system can't."""
    try:
        mount.map_ids(tree, user_namespace, recursive=recursive)
    except SyscallError as error:
        if error.errno != errno.EINVAL:
            raise
        reason = f"the file system of {source} has no idmapped mounts, which a pod with hostUsers: false needs"
        raise StepError(errno.EINVAL, reason) from error


def lower_layers(layers: tuple[str, ...]) -> str:
    """As the value of the mount option, topmost first."""
    return ":".join(_escaped(layer, "\\:,") for layer in layers)


def _escaped(path: str, special: str = "\\,") -> str:
    return "".join(f"\\{c}" if c in special else c for c in path)


def isolate_mounts() -> None:
    """Nothing mounted from here on is seen elsewhere; what the machine mounts later still arrives."""
    mount.mount("none", "/", flags=MountFlag.SLAVE | MountFlag.REC)


def enter(root_fd: int) -> None:
    """Make `root_fd` the root of the mount namespace, and the old root unreachable.

    pivot_root(".", ".") puts the old root on top of the new one, from where it is unmounted: pivot_root(2), NOTES.
    """
    os.fchdir(root_fd)
    mount.pivot_root(".", ".")
    mount.umount_detach(".")
    os.chdir("/")
