"""Which manifest of a registry's answer is the image for this machine. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from podrun.image import manifests, platforms
from podrun.image.config import decode
from podrun.image.errors import BadImage
from podrun.image.manifests import Descriptor

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


class _Outline(msgspec.Struct, rename="camel"):
    """What tells an index from a manifest."""

    schema_version: int = 2
    media_type: str = ""
    manifests: msgspec.Raw = msgspec.Raw()


def digest_of(document: bytes) -> str:
    return f"sha256:{hashlib.sha256(document).hexdigest()}"


def is_index(document: bytes) -> bool:
    """Whether a registry's answer offers one manifest for each platform. BadImage: it is neither."""
    outline = decode(document, _Outline, "image manifest")
    if outline.schema_version == 1 or outline.media_type.startswith(_SCHEMA_1):
        raise BadImage("its manifest is of Docker's schema 1, which is no longer in use")
    return outline.media_type in manifests.INDEXES or bytes(outline.manifests) not in (b"", b"null")


def media_type(document: bytes) -> str:
    return decode(document, _Outline, "image manifest").media_type or manifests.MANIFEST


def choose(index: bytes) -> Descriptor:
    """The manifest in an index that this machine runs best. BadImage: none."""
    offered = [d for d in manifests.parse_index(index).manifests if not _is_attestation(d)]
    for candidate in sorted(offered, key=_is_foreign):
        platform = candidate.platform or manifests.Platform()
        if platforms.runs_here(platform.os, platform.architecture):
            return candidate
    made_for = ", ".join(sorted({f"{d.platform.os}/{d.platform.architecture}" for d in offered if d.platform}))
    raise BadImage(f"it is made for {made_for or 'nothing'} and this machine is linux/{platforms.host_architecture()}")


def _is_attestation(descriptor: Descriptor) -> bool:
    """They are listed beside images as of an unknown platform."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


def _is_foreign(descriptor: Descriptor) -> bool:
    return descriptor.platform is None or descriptor.platform.architecture != platforms.host_architecture()
