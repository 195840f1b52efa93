"""Importing a root filesystem, as a directory or a tar, as an image with one layer."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from podrun.image import config, manifests, platforms, streams
from podrun.image.config import ConfigFile, ImageConfig
from podrun.image.errors import BadImage, shown
from podrun.image.images import ImportOptions
from podrun.image.layout import Layout
from podrun.image.manifests import Descriptor, Manifest
from podrun.image.streams import HashedStream
from podrun.image.tree import WHITEOUT


def store(layout: Layout, source: Path, options: ImportOptions) -> Descriptor:
    """Puts layer, config and manifest of the root filesystem `source` into the layout. Unpacking is the caller's."""
    if source.is_dir():
        layer = _put_directory(layout, source)
    else:
        with source.open("rb", buffering=0) as file:
            layer = layout.put(streams.chunks(file))
    blob = layout.blob(layer.digest)
    with blob.open("rb", buffering=0) as file:
        compression = streams.compression(file.read(8))
        file.seek(0)
        with contextlib.closing(HashedStream(streams.decompressed(file))) as stream:
            diff_id = layer.digest if compression == "none" else stream.digest()
    file_config = ConfigFile(
        architecture=platforms.host_architecture(),
        os="linux",
        variant="",
        created=datetime.now(UTC).replace(microsecond=0),
        config=_container(options),
        diff_ids=(diff_id,),
    )
    described = put_json(layout, config.encode(file_config, "podrun image import"), manifests.CONFIG)
    layer = msgspec.structs.replace(layer, media_type=manifests.LAYER[compression])
    return put_json(layout, msgspec.json.encode(Manifest(config=described, layers=(layer,))), manifests.MANIFEST)


def put_json(layout: Layout, document: bytes, media_type: str) -> Descriptor:
    return msgspec.structs.replace(layout.put([document]), media_type=media_type)


def _container(options: ImportOptions) -> ImageConfig:
    container = ImageConfig(
        entrypoint=options.entrypoint,
        cmd=options.cmd,
        env=options.env,
        user=options.user,
        working_dir=options.working_dir,
    )
    config.check(container)
    if container.working_dir and not container.working_dir.startswith("/"):
        raise BadImage(f"the working directory {shown(container.working_dir)} is not an absolute path")
    return container


def _put_directory(layout: Layout, source: Path) -> Descriptor:
    """The directory as a tar blob. Equal trees give equal blobs: sorted, and the root's own attributes left out."""
    if layout.root.resolve().is_relative_to(source.resolve()):
        raise BadImage(f"{source} holds podrun's own images")
    with tempfile.TemporaryFile(dir=layout.staging) as file:
        # A temporary file rather than a pipe: tarfile pushes, and the layout pulls.
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, name in _walk(source, ""):
                _add(tar, path, name)
        file.seek(0)
        return layout.put(streams.chunks(file))


def _walk(directory: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    pending = [(directory, prefix)]
    while pending:
        directory, prefix = pending.pop()
        for entry in sorted(os.scandir(directory), key=lambda e: e.name):
            name = f"{prefix}{entry.name}"
            if entry.name.startswith(WHITEOUT):
                raise BadImage(f"{shown(name)} would mean that a file is deleted: names must not begin with {WHITEOUT}")
            if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode):
                continue  # it means nothing to another process
            yield Path(entry.path), name
            if entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), f"{name}/"))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tar.gettarinfo(path, name)
    member.uname = member.gname = ""
    member.pax_headers = {
        f"SCHILY.xattr.{key}": os.getxattr(path, key, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for key in os.listxattr(path, follow_symlinks=False)
    }
    if member.isreg():
        with _open_regular(path) as file:
            tar.addfile(member, file)
    else:
        tar.addfile(member)


def _open_regular(path: Path) -> IO[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BadImage(f"{path} changed while it was read")
    return os.fdopen(fd, "rb")
