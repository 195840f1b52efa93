"""Images as one tar that is both a docker archive and an OCI archive, as `docker save` of today writes it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from podrun.image import manifests, references, streams
from podrun.image.errors import BadImage
from podrun.image.layout import Layout
from podrun.image.manifests import Descriptor, Manifest

END = bytes(2 * tarfile.BLOCKSIZE)  # of an archive: what lacks it was cut off


@dataclass(frozen=True, slots=True)
class Saved:
    """An image and the names that go with it."""

    digest: str
    manifest: Manifest
    document: bytes
    names: tuple[str, ...]


def archive(layout: Layout, images: Sequence[Saved]) -> Iterator[bytes]:
    """The tar, in pieces. BadImage before the first of them: a blob is missing."""
    blobs = {image.digest: len(image.document) for image in images}
    for image in images:
        for blob in (image.manifest.config, *image.manifest.layers):
            if not layout.blob(blob.digest).exists():
                raise BadImage(f"blob {blob.digest} is missing", hint="pull or load it again")
            blobs[blob.digest] = layout.blob(blob.digest).stat().st_size
    return _pieces(layout, images, blobs)


def _pieces(layout: Layout, images: Sequence[Saved], blobs: dict[str, int]) -> Iterator[bytes]:
    for directory in ("blobs", "blobs/sha256"):
        yield _header(directory, 0, tarfile.DIRTYPE)
    for digest, size in blobs.items():
        yield _header(_path(digest), size)
        with layout.blob(digest).open("rb", buffering=0) as file:
            yield from streams.chunks(file)
        yield _padding(size)
    yield from _file("index.json", msgspec.json.encode(manifests.Index(manifests=tuple(_index(images)))))
    yield from _file("manifest.json", msgspec.json.encode([_docker(image) for image in images]))
    yield from _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield END


def _index(images: Sequence[Saved]) -> Iterator[Descriptor]:
    for image in images:
        plain = Descriptor(image.digest, len(image.document), image.manifest.media_type)
        for name in image.names:
            tag = references.parse(name).tag or ""
            notes = {manifests.NAME: name, manifests.REF_NAME: tag}
            yield msgspec.structs.replace(plain, annotations=notes)
        if not image.names:
            yield plain


def _docker(image: Saved) -> dict[str, object]:
    return {
        "Config": _path(image.manifest.config.digest),
        "RepoTags": [references.parse(name).familiar for name in image.names],
        "Layers": [_path(layer.digest) for layer in image.manifest.layers],
    }


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content
    yield _padding(len(content))


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
