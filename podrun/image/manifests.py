"""The typed documents of an OCI layout: descriptors, manifests, indexes. Docker's own (schema 2) read the same.

OCI image spec, "Content Descriptors", "Image Manifest", "Image Index".
"""

from __future__ import annotations

import msgspec

from podrun.image.config import DIGEST, decode
from podrun.image.errors import BadImage

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = {
    "none": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
ORIGIN = "podrun.image.origin"
LONGEST = 4 << 20  # bytes of a manifest, index or config; registries have the same limit


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Points to a blob; `size` in bytes."""

    digest: str
    size: int
    media_type: str = ""
    annotations: dict[str, str] | None = None
    platform: Platform | None = None

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.digest):
            raise ValueError(f"{self.digest[:100]!r} is no sha256 digest")
        if self.size < 0:
            raise ValueError("a negative size")

    @property
    def name(self) -> str | None:
        """The full reference under which an index has it."""
        annotations = self.annotations or {}
        return annotations.get(NAME) or annotations.get(REF_NAME) or None

    @property
    def origin(self) -> str | None:
        """Where the name came from: `repository@digest`, of an index of several platforms where the name means one."""
        return (self.annotations or {}).get(ORIGIN)


class Manifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    schema_version: int = 2
    media_type: str = MANIFEST
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    schema_version: int = 2
    media_type: str = INDEX
    manifests: tuple[Descriptor, ...] = ()


def parse_manifest(document: bytes) -> Manifest:
    manifest = decode(document, Manifest, "image manifest")
    if manifest.media_type not in MANIFESTS:
        raise BadImage(f"its manifest is of the unknown kind {manifest.media_type[:100]!r}")
    return manifest


def parse_index(document: bytes) -> Index:
    return decode(document, Index, "image index")
