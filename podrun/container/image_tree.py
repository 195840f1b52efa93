"""The files of an image as a volume: its layers on top of each other, with no writable one above them."""

from __future__ import annotations

import errno
import os

from podrun.container.newborn import StepError
from podrun.container.plan import ImageTree
from podrun.container.root import lower_layers
from podrun.linux import beneath, mount
from podrun.linux.mount import Attribute
from podrun.linux.syscall import SyscallError

# As containerd mounts them: nothing in it is to be run, or to be a device.
_ATTRIBUTES = Attribute.RDONLY | Attribute.NOSUID | Attribute.NODEV | Attribute.NOEXEC


def open_tree(item: ImageTree) -> int:
    """A detached, read-only tree of the image, or of a part of it. Raises OSError.

    Always by overlayfs, which has inodes of its own: who holds a lease, fcntl(2), on a file of the layer itself would
    keep all others who have the image from opening it.
    """
    os.chdir(item.layers_dir)
    covers = 0
    try:
        # On top of the layers' own directory, which nobody needs to see for this moment, so no place has to be found.
        lower = item.layers
        if len(lower) == 1:  # overlayfs takes no fewer than two here
            _cover_with_nothing(item.layers_dir)
            covers, lower = 1, (*lower, item.layers_dir)
        mount.mount("overlay", item.layers_dir, "overlay", data=f"lowerdir={lower_layers(lower)}")
        covers += 1
        return _part(item.layers_dir, item)
    except ValueError:
        reason = f"the names of {len(item.layers)} layers do not fit in one page of mount options"
        raise StepError(0, f"cannot mount the image for {item.target}: {reason}") from None
    finally:
        os.chdir("/")
        for _ in range(covers):
            mount.umount_detach(item.layers_dir)


def _cover_with_nothing(directory: str) -> None:
    empty = mount.new_mount("tmpfs", {"source": "none", "mode": "755", "size": "4096"}, _ATTRIBUTES)
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mount.move_mount(empty, place)
    for descriptor in (empty, place):
        os.close(descriptor)


def _part(directory: str, item: ImageTree) -> int:
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if item.subpath:
            whole, place = place, _beneath(place, item)
            os.close(whole)
        tree = mount.open_tree(place, "")
    finally:
        os.close(place)
    mount.mount_setattr(tree, _ATTRIBUTES)
    return tree


def _beneath(whole: int, item: ImageTree) -> int:
    try:
        return beneath.open_beneath(whole, item.subpath)
    except SyscallError as error:
        why = {errno.ENOENT: "the image has no such path", errno.EXDEV: "it leads out of the image"}
        reason = why.get(error.errno or 0, str(error))
        raise StepError(error.errno or 0, f"cannot use the subpath {item.subpath}: {reason}") from error
