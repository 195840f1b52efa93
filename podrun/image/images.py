"""What the rest of podrun knows of an image."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from podrun.image.config import ImageConfig


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is unpacked and ready. `size` in bytes is that of config and layers as they were transported."""

    names: tuple[str, ...]  # normalised; none for an image whose name another one took
    id: str  # digest of the config: what Docker calls the image id
    digest: str  # of the manifest: what a reference with @sha256:… names
    size: int
    created: datetime | None
    architecture: str
    config: ImageConfig
    layers: tuple[str, ...]  # short directory names below `<images>/layers`, top to bottom, as overlayfs wants them
    origins: tuple[str, ...] = ()  # repository@digest, for each registry that it was pulled from


@dataclass(frozen=True, slots=True)
class DamagedImage:
    """An image that the index names and that can't be used: its blobs or layers are missing or changed."""

    names: tuple[str, ...]
    digest: str
    why: str


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a container of an imported image starts."""

    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal did: names taken away, ids of images that are gone."""

    untagged: tuple[str, ...]
    deleted: tuple[str, ...]
