"""Docker archives (`docker save`), OCI archives and OCI layout directories: finds their images and stores the blobs.

Everything is read by digest or by the name of a regular file inside; nothing of an archive is unpacked here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from podrun.image import choice, config, imports, manifests, references, streams
from podrun.image.errors import BadImage, shown
from podrun.image.layout import Layout
from podrun.image.manifests import Descriptor, Manifest
from podrun.image.streams import HashedStream
from podrun.image.tar import Kind, TarReader
from podrun.linux.openat2 import Resolve, openat2

_MOST_FILES = 10_000
_MOST_NESTED = 4
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """An image whose blobs are stored now. Without names when the archive gave none."""

    manifest: Descriptor
    names: tuple[str, ...]


class Contents(Protocol):
    """The files of an archive, by their cleaned names."""

    def store(self, name: str) -> Descriptor | None:
        """The file as a blob of the layout, None when there is none."""


class _DockerImage(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


def store(layout: Layout, source: Path) -> list[ArchivedImage]:
    """Stores the blobs of all images in `source` that this machine can run. Raises BadImage."""
    with contextlib.ExitStack() as stack:
        contents: Contents
        if source.is_dir():
            root = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, root)
            contents = _Directory(layout, root)
        else:
            contents = _Archive(layout, source)
        # Both kinds of description may be there (Docker 25 and later); Docker's own has all the names.
        described = contents.store("manifest.json")
        if described is not None:
            return list(_docker_images(layout, contents, layout.read(described.digest)))
        described = contents.store("index.json")
        if described is not None:
            return list(_oci_images(layout, contents, layout.read(described.digest)))
    raise BadImage(
        "neither a docker archive nor an OCI one: it has no manifest.json and no index.json",
        hint="a plain root filesystem is brought in by: podrun image import",
    )


class _Archive:
    """A tar, read once from front to back: every regular file becomes a blob; the unwanted ones are swept later."""

    def __init__(self, layout: Layout, source: Path) -> None:
        self._blobs: dict[str, Descriptor] = {}
        self._links: dict[str, str] = {}
        with source.open("rb", buffering=0) as file:
            with contextlib.closing(HashedStream(streams.decompressed(file))) as stream:
                reader = TarReader(stream)
                for count, entry in enumerate(reader):
                    if count >= _MOST_FILES:
                        raise BadImage(f"it has more than {_MOST_FILES} files")
                    name = _clean(entry.name)
                    match entry.kind:
                        case Kind.FILE if entry.extents is None:
                            self._blobs[name] = layout.put(bytes(piece) for piece in reader.content())
                        case Kind.HARD_LINK:
                            self._links[name] = _clean(entry.target)
                        case Kind.SYMLINK:
                            self._links[name] = _clean(posixpath.join(posixpath.dirname(name), entry.target))

    def store(self, name: str) -> Descriptor | None:
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        return self._blobs.get(name)


class _Directory:
    """An OCI layout (or an unpacked docker archive) on disk: only what is asked for is read."""

    def __init__(self, layout: Layout, root: int) -> None:
        self._layout = layout
        self._root = root

    def store(self, name: str) -> Descriptor | None:
        try:
            fd = openat2(self._root, name, os.O_RDONLY | os.O_NONBLOCK, resolve=Resolve.IN_ROOT)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadImage(f"{shown(name)} in it is not a regular file")
        with os.fdopen(fd, "rb", buffering=0) as file:
            return self._layout.put(streams.chunks(file))


def _clean(name: str) -> str:
    return posixpath.normpath("/" + name.lstrip("/"))[1:]


def _docker_images(layout: Layout, contents: Contents, document: bytes) -> Iterator[ArchivedImage]:
    for image in config.decode(document, list[_DockerImage], "manifest.json"):
        described = _required(contents, image.config)
        stored = tuple(_layer(layout, _required(contents, name)) for name in image.layers)
        manifest = Manifest(config=msgspec.structs.replace(described, media_type=manifests.CONFIG), layers=stored)
        names = tuple(_name(tag) for tag in image.repo_tags or ())
        yield ArchivedImage(imports.put_json(layout, msgspec.json.encode(manifest), manifests.MANIFEST), names)


def _layer(layout: Layout, blob: Descriptor) -> Descriptor:
    with layout.blob(blob.digest).open("rb", buffering=0) as file:
        kind = streams.compression(file.read(8))
    return msgspec.structs.replace(blob, media_type=manifests.LAYER[kind])


def _required(contents: Contents, name: str) -> Descriptor:
    blob = contents.store(_clean(name))
    if blob is None:
        raise BadImage(f"it names {shown(name)}, which it does not hold")
    return blob


def _oci_images(layout: Layout, contents: Contents, document: bytes) -> Iterator[ArchivedImage]:
    names: dict[str, list[str]] = {}
    manifest_of: dict[str, Descriptor] = {}
    for descriptor in manifests.parse_index(document).manifests:
        chosen = _choose(layout, contents, descriptor, depth=0)
        manifest_of[chosen.digest] = chosen
        named = names.setdefault(chosen.digest, [])
        # A bare "latest" (or no name) tells which image of the layout it is, not what it is called.
        if descriptor.name and any(mark in descriptor.name for mark in ":/"):
            named.append(_name(descriptor.name))
    for digest, manifest in manifest_of.items():
        parsed = manifests.parse_manifest(layout.read(digest))
        for blob in (parsed.config, *parsed.layers):
            _fetch(contents, blob)
        yield ArchivedImage(manifest, tuple(names[digest]))


def _choose(layout: Layout, contents: Contents, descriptor: Descriptor, depth: int) -> Descriptor:
    """The manifest that this descriptor means on this machine: an index offers one for each architecture."""
    blob = _fetch(contents, descriptor)
    if descriptor.media_type not in manifests.INDEXES:
        return msgspec.structs.replace(blob, media_type=descriptor.media_type or manifests.MANIFEST)
    if depth >= _MOST_NESTED:
        raise BadImage("its indexes are nested too deeply")
    return _choose(layout, contents, choice.choose(layout.read(blob.digest)), depth + 1)


def _fetch(contents: Contents, descriptor: Descriptor) -> Descriptor:
    blob = contents.store(f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}")
    if blob is None:
        raise BadImage(f"blob {descriptor.digest} is missing")
    if blob.digest != descriptor.digest or blob.size != descriptor.size:
        raise BadImage(f"blob {descriptor.digest} is damaged: its digest is {blob.digest} and its size {blob.size}")
    return blob


def _name(text: str) -> str:
    try:
        return str(references.parse(text))
    except references.InvalidImageName as error:
        raise BadImage(error.message) from error
