"""Unpacked layers, one directory each with a short name, fit to be lower directories of an overlay mount.

A layer is known by its chain id (OCI image spec, "Layer ChainID"): directories that it does not announce take owner and
mode from the layers below, so the same tar may unpack differently elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from podrun.image import inherited
from podrun.image.errors import BadImage, shown
from podrun.image.removal import remove_tree
from podrun.image.streams import HashedStream, decompressed
from podrun.image.tar import Entry, TarReader
from podrun.image.tree import Tree

_RECORD = ".chain"
_LENGTHS = (8, 16, 32, 64)  # of names, in digits: the shortest that no other layer has


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The identity of each layer together with those below it, bottom to top."""
    chain: list[str] = []
    for diff_id in diff_ids:
        both = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(both.encode()).hexdigest()}" if both else diff_id)
    return chain


class Layers:
    """The directories in `<images>/layers`. Beside each lies a record with its chain id: short names prove nothing."""

    def __init__(self, directory: Path, staging: Path) -> None:
        self.directory = directory
        self._staging = staging

    def find(self, chain_id: str) -> str | None:
        """The short name of an unpacked layer."""
        for name in _names(chain_id):
            if self._record(name) == chain_id and (self.directory / name).is_dir():
                return name
        return None

    def unpack(self, blob: Path, diff_id: str, chain_id: str, below: Sequence[str]) -> str:
        """The short name of the layer in `blob`, unpacked now unless it is there already.

        `below`: short names of the layers under it, top to bottom. Raises BadImage where the tar is damaged, hostile
        beyond repair or not the one of `diff_id`; OSError where the disk fails. Then nothing is left.
        """
        name = self.find(chain_id)
        if name is not None:
            return name
        staged = self.new_directory()
        try:
            return self.publish(staged, unpack_tar(blob, diff_id, staged), chain_id, below)
        finally:
            self.discard(staged)

    def new_directory(self) -> Path:
        """A staged place for one layer: `unpack_tar` into it, then `publish`; `discard` whatever happened."""
        self.directory.mkdir(exist_ok=True)
        staged = self._staging / f"layer-{secrets.token_hex(8)}"
        staged.mkdir()
        return staged

    def publish(self, staged: Path, unannounced: Mapping[int, str], chain_id: str, below: Sequence[str]) -> str:
        """Gives an unpacked layer its short name, when those below it have theirs."""
        inherited.dress(staged, unannounced, [self.directory / lower for lower in below])
        return self._publish(staged, chain_id)

    def discard(self, staged: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            remove_tree(staged, aside=self._staging)

    def remove_all_but(self, chain_ids: Collection[str]) -> None:
        """For a sweep, when nobody unpacks."""
        if not self.directory.is_dir():
            return
        for path in self.directory.iterdir():
            if path.suffix != _RECORD and self._record(path.name) not in chain_ids:
                # Moved first: a half removed layer must not keep its name.
                moved = self._staging / f"layer-{secrets.token_hex(8)}"
                path.rename(moved)
                remove_tree(moved, aside=self._staging)
        for path in self.directory.glob(f"*{_RECORD}"):
            if not path.with_suffix("").is_dir():
                path.unlink()

    def _publish(self, staged: Path, chain_id: str) -> str:
        name = next(name for name in _names(chain_id) if self._claim(name, chain_id))
        try:
            staged.rename(self.directory / name)
        except OSError as error:
            # Another process unpacked the same layer meanwhile, and its directory is as good.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        return name

    def _claim(self, name: str, chain_id: str) -> bool:
        """Writes the record of `name`, whole and only if there is none. False when another layer has the name."""
        record = self.directory / f"{name}{_RECORD}"
        staged = self._staging / f"record-{secrets.token_hex(8)}"
        try:
            staged.write_text(chain_id)
            with contextlib.suppress(FileExistsError):
                os.link(staged, record)
        finally:
            staged.unlink(missing_ok=True)
        return self._record(name) == chain_id

    def _record(self, name: str) -> str | None:
        try:
            return (self.directory / f"{name}{_RECORD}").read_text()
        except FileNotFoundError:
            return None


def unpack_tar(blob: Path, diff_id: str, directory: Path) -> dict[int, str]:
    """Unpacks a layer's tar into an empty directory and compares the digest of the uncompressed stream.

    Returns the directories that it did not announce: inode number and path.
    """
    with blob.open("rb", buffering=0) as file, contextlib.closing(HashedStream(decompressed(file))) as stream:
        reader = TarReader(stream)
        with contextlib.closing(Tree(directory)) as tree:
            for entry in reader:
                with _naming(entry):
                    tree.add(entry, reader.content())
            tree.finish()
        digest = stream.digest()
    if digest != diff_id:
        raise BadImage(f"a layer is damaged: its digest is {digest}, and its config says {diff_id}")
    return tree.unannounced


@contextlib.contextmanager
def _naming(entry: Entry) -> Iterator[None]:
    """Adds the entry's name to what is wrong with it; a full disk is not its fault."""
    try:
        yield
    except BadImage as error:
        raise BadImage(f"entry {shown(entry.name)}: {error}", error.hint) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            raise
        raise BadImage(f"entry {shown(entry.name)}: {error.strerror or error}") from error


def _names(chain_id: str) -> list[str]:
    digits = chain_id.removeprefix("sha256:")
    return [f"l{digits[:length]}" for length in _LENGTHS]
