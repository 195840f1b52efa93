"""Images for tests, made on the spot from busybox-static by the same recipe as the demo's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from podrun.image.images import Image, ImportOptions
from podrun.image.store import Images

RECIPE = Path(__file__).parent.parent / "examples" / "images" / "busybox.sh"


def make_busybox_root(directory: Path) -> Path:
    """A root filesystem in `directory`: bin/busybox, a hard link for each applet, etc/passwd, tmp and so on."""
    subprocess.run([RECIPE, directory], check=True)
    return directory


def import_busybox(images: Images, workshop: Path, name: str = "busybox:test") -> Image:
    """The busybox image, imported into `images`; `workshop` is an existing directory to build it in."""
    root = make_busybox_root(workshop / "busybox-root")
    return images.import_(root, name, ImportOptions(cmd=("sh",), env=("PATH=/bin:/sbin:/usr/bin:/usr/sbin",)))
