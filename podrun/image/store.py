"""The images of one instance: find, list, import, load, remove. The face of this package; its methods may block."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from podrun.errors import PodrunError
from podrun.image import archives, config, imports, layers, manifests, platforms, references, saving
from podrun.image.config import ConfigFile
from podrun.image.errors import BadImage
from podrun.image.images import DamagedImage, Image, ImportOptions, Removal
from podrun.image.layers import Layers
from podrun.image.layout import Fingerprint, Layout
from podrun.image.manifests import Descriptor, Manifest
from podrun.image.references import Reference

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_SHORT_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


class Images:
    """All images below one directory, `<root>/images`. Several processes may work on it at once."""

    def __init__(self, root: Path) -> None:
        """`layout` and `unpacked` are for those who bring images in their own way, within `layout.writing()`."""
        self.layout = Layout(root)
        self.unpacked = Layers(root / "layers", self.layout.staging)
        self._seen: tuple[Fingerprint, tuple[Image | DamagedImage, ...]] | None = None

    @property
    def layers_directory(self) -> Path:
        """Where the names in `Image.layers` are: the working directory for mounting an overlay of them."""
        return self.unpacked.directory

    def list(self) -> tuple[Image, ...]:
        """All images in the order in which they came, without damaged ones."""
        return tuple(image for image in self._current() if isinstance(image, Image))

    def find(self, text: str) -> Image | None:
        """What a reference or a whole image id means. Raises InvalidImageName, PodrunError for a damaged image."""
        if match := _ID.fullmatch(text):
            wanted = f"sha256:{match[1]}"
            return next((image for image in self.list() if image.id == wanted), None)
        reference = references.parse(text)
        found = next((image for image in self._current() if _is_meant(reference, image)), None)
        if isinstance(found, DamagedImage):
            raise PodrunError(f'cannot use image "{text}": {found.why}', hint="import, load or pull it again")
        return found

    def find_digest(self, digest: str) -> Image | None:
        """The image whose manifest has this digest, whole and unpacked."""
        return next((image for image in self.list() if image.digest == digest), None)

    def mark_used(self, image: Image) -> None:
        """A container is about to run the image: see `last_used`. The time is that of the manifest's blob."""
        with contextlib.suppress(OSError):
            os.utime(self.layout.blob(image.digest))

    def last_used(self, image: Image) -> float:
        """Seconds since the epoch when a container last got the image, else when it came; 0 where it is gone."""
        try:
            return self.layout.blob(image.digest).stat().st_mtime
        except OSError:
            return 0.0

    def add_names(self, image: Image, names: Sequence[str], origin: str | None = None) -> Image:
        """Gives an image full references more. Raises PodrunError: it is gone, the disk is full.

        `origin`: what a registry has them for, as repository@digest.
        """
        if set(names) <= set(image.names) and (origin is None or origin in image.origins):
            return image
        with self.explained(f"name image {image.id}"), self.swept(), self.layout.writing():
            known = next((d for d in self.layout.index() if d.digest == image.digest), None)
            if known is None:
                raise BadImage("it is gone")
            return self.commit([(named_from(known, origin), names)])[0]

    def resolve(self, text: str) -> Image | None:
        """As `find`; a person may also shorten an id, as long as only one image has it. Raises PodrunError."""
        with contextlib.suppress(references.InvalidImageName):
            image = self.find(text)
            if image is not None:
                return image
        match = _SHORT_ID.fullmatch(text)
        matching = [i for i in self.list() if match and i.id.startswith(f"sha256:{match[1]}")]
        if len({image.id for image in matching}) > 1:
            raise PodrunError(f'cannot find image "{text}": several ids begin with it')
        return matching[0] if matching else None

    def import_(self, source: Path, name: str, options: ImportOptions | None = None) -> Image:
        """Makes an image of the root filesystem in `source`, a directory or a tar. Raises PodrunError."""
        reference = _nameable(name)
        with self.explained(f'import image "{name}"'), self.swept(), self.layout.writing():
            descriptor = imports.store(self.layout, source, options or ImportOptions())
            self._unpack(descriptor)
            return self.commit([(descriptor, (reference,))])[0]

    def load(self, source: Path, name: str | None = None) -> Sequence[Image]:
        """Adds the images of a docker or OCI archive or an OCI layout directory. Raises PodrunError.

        `name` is for an archive with one image, and replaces the names that it brings.
        """
        names = (_nameable(name),) if name else None
        with self.explained(f'load "{source}"'), self.swept(), self.layout.writing():
            found = archives.store(self.layout, source)
            if names and len(found) != 1:
                raise BadImage(f"it has {len(found)} images, and only one can be called {name}")
            for image in found:
                self._unpack(image.manifest)
            return self.commit([(image.manifest, names or image.names) for image in found])

    def remove(self, text: str, users: Callable[[Image], Sequence[str]] = lambda image: ()) -> Removal:
        """Takes away a name, and the image with the last one; by id or digest, all names at once.

        `users` names the containers that use an image: then it stays. Raises PodrunError.
        """
        image, names = self._removable(text)
        is_last = set(names) >= set(image.names)
        if is_last and isinstance(image, Image) and (using := users(image)):
            raise PodrunError(f'cannot remove image "{text}": it is in use by {", ".join(using)}')
        with self.explained(f'remove image "{text}"'), self.swept():
            self.layout.change_index(lambda index: _without(index, image.digest, names))
        return Removal(names, (image.id,) if is_last and isinstance(image, Image) else ())

    def tag(self, text: str, name: str) -> Image:
        """Gives the image that `text` means one more name. Raises PodrunError."""
        reference = _nameable(name)
        image = self.resolve(text)
        if image is None:
            raise PodrunError(f'cannot tag image "{text}": no such image')
        return self.add_names(image, (reference,))

    def prune(self, users: Callable[[Image], Sequence[str]], *, named_too: bool) -> tuple[Image, ...]:
        """Takes away images without a name, or all that nobody uses; those that went. Raises PodrunError."""
        gone = tuple(image for image in self.list() if (named_too or not image.names) and not users(image))
        digests = {image.digest for image in gone}
        if gone:
            with self.explained("prune images"), self.swept():
                self.layout.change_index(lambda index: (d for d in index if d.digest not in digests))
        return gone

    def save(self, texts: Sequence[str]) -> Iterator[bytes]:
        """These images as one tar, docker and OCI archive at once, in pieces. Raises PodrunError, before the first."""
        chosen: dict[str, list[str]] = {}
        for text in texts:
            image = self.resolve(text)
            if image is None:
                raise PodrunError(f'cannot save image "{text}": no such image')
            chosen.setdefault(image.digest, []).extend(_names_meant(text, image))
        with self.explained("save the images"):
            saved = [
                saving.Saved(digest, self.manifest(digest), self.layout.read(digest), tuple(dict.fromkeys(names)))
                for digest, names in chosen.items()
            ]
            return saving.archive(self.layout, saved)

    def documents(self, image: Image) -> tuple[bytes, bytes]:
        """Manifest and config as they were published. Raises PodrunError."""
        with self.explained("read the image"):
            return self.layout.read(image.digest), self.layout.read(image.id)

    def sweep(self) -> None:
        """Takes away blobs, layers and interrupted work that belong to no image, unless somebody is at work now."""
        if not self.layout.root.is_dir():
            return
        with self.layout.sweeping() as alone:
            if not alone:
                return
            blobs: set[str] = set()
            chains: set[str] = set()
            for descriptor in self.layout.index():
                blobs.add(descriptor.digest)
                with contextlib.suppress(BadImage):
                    manifest, file = self._documents(descriptor.digest)
                    blobs |= {manifest.config.digest, *(layer.digest for layer in manifest.layers)}
                    chains |= set(layers.chain_ids(file.diff_ids))
            self.layout.empty_staging()
            self.unpacked.remove_all_but(chains)
            self.layout.remove_all_but(blobs)

    # -- reading

    def _current(self) -> tuple[Image | DamagedImage, ...]:
        fingerprint = self.layout.fingerprint()
        if fingerprint is None:
            return ()
        seen = self._seen
        if seen is None or seen[0] != fingerprint:
            with self.explained("read the images"):
                seen = (fingerprint, tuple(self._read(self.layout.index())))
            # A damaged image may be repaired without a change of the index.
            self._seen = seen if all(isinstance(image, Image) for image in seen[1]) else None
        return seen[1]

    def _read(self, index: Iterable[Descriptor]) -> Iterator[Image | DamagedImage]:
        entries: dict[str, list[Descriptor]] = {}
        for descriptor in index:
            entries.setdefault(descriptor.digest, []).append(descriptor)
        for digest, same in entries.items():
            try:
                yield self._image(digest, same)
            except BadImage as error:
                yield DamagedImage(_names(same), digest, str(error))

    def _image(self, digest: str, entries: Sequence[Descriptor]) -> Image:
        """`entries`: all that the index has for this digest."""
        manifest, file = self._documents(digest)
        unpacked = [self.unpacked.find(chain) for chain in layers.chain_ids(file.diff_ids)]
        if None in unpacked:
            raise BadImage("one of its unpacked layers is missing")
        return Image(
            names=_names(entries),
            origins=tuple(dict.fromkeys(entry.origin for entry in entries if entry.origin)),
            id=manifest.config.digest,
            digest=digest,
            size=manifest.config.size + sum(layer.size for layer in manifest.layers),
            created=file.created,
            architecture=file.architecture or platforms.host_architecture(),
            config=file.config,
            layers=tuple(name for name in reversed(unpacked) if name),
        )

    def _documents(self, digest: str) -> tuple[Manifest, ConfigFile]:
        manifest = self.manifest(digest)
        return manifest, config.parse(self.layout.read(manifest.config.digest))

    # -- changing

    def _unpack(self, descriptor: Descriptor) -> None:
        """Unpacks the layers of a manifest whose blobs are all there."""
        manifest, file = self.runnable(descriptor.digest)
        below: list[str] = []
        for layer, diff_id, chain in zip(manifest.layers, file.diff_ids, layers.chain_ids(file.diff_ids), strict=True):
            blob = self.layout.blob(layer.digest)
            if not blob.exists():
                raise BadImage(f"blob {layer.digest} is missing")
            below.insert(0, self.unpacked.unpack(blob, diff_id, chain, below))

    def manifest(self, digest: str) -> Manifest:
        """A manifest whose blob is stored. Raises BadImage."""
        return manifests.parse_manifest(self.layout.read(digest))

    def runnable(self, digest: str) -> tuple[Manifest, ConfigFile]:
        """Manifest and config of an image that this machine can run, once its layers are unpacked. Raises BadImage."""
        manifest, file = self._documents(digest)
        platforms.require(file.os, file.architecture)
        if len(manifest.layers) != len(file.diff_ids):
            raise BadImage(f"its manifest has {len(manifest.layers)} layers and its config {len(file.diff_ids)}")
        if not manifest.layers:
            raise BadImage("it has no layers")
        return manifest, file

    def commit(self, named: Sequence[tuple[Descriptor, Sequence[str]]]) -> Sequence[Image]:
        """Makes unpacked images known, all at once. For who holds `layout.writing()`."""

        def change(index: Sequence[Descriptor]) -> Sequence[Descriptor]:
            for descriptor, names in named:
                index = tuple(_with(index, descriptor, names))
            return index

        self.layout.change_index(change)
        index = self.layout.index()
        return [
            self._image(descriptor.digest, [entry for entry in index if entry.digest == descriptor.digest])
            for descriptor, _ in named
        ]

    def _removable(self, text: str) -> tuple[Image | DamagedImage, tuple[str, ...]]:
        """What `text` means and the names to take away."""
        with contextlib.suppress(references.InvalidImageName):
            reference = references.parse(text)
            for image in self._current():
                if _is_meant(reference, image):
                    return image, (str(reference),) if reference.digest is None else image.names
        found = self.resolve(text)
        if found is None:
            raise PodrunError(f'cannot remove image "{text}": no such image')
        return found, found.names

    @contextlib.contextmanager
    def swept(self) -> Iterator[None]:
        """Leaves no half-made image behind, whatever happens inside."""
        try:
            yield
        finally:
            self.sweep()

    @contextlib.contextmanager
    def explained(self, action: str) -> Iterator[None]:
        """Makes a PodrunError of what goes wrong inside: "cannot ACTION: …"."""
        try:
            yield
        except BadImage as error:
            raise PodrunError(f"cannot {action}: {error}", error.hint) from error
        except OSError as error:
            hint = None
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                hint = f"free some space on the filesystem of {self.layout.root}, or choose another with PODRUN_ROOT"
            where = f": {error.filename}" if error.filename and not isinstance(error.filename, int) else ""
            reason = (error.strerror or str(error)).lower()
            raise PodrunError(f"cannot {action}: {reason}{where}", hint) from error


def named_from(descriptor: Descriptor, origin: str | None) -> Descriptor:
    """What `commit` takes for names that are in a registry: see `Descriptor.origin`."""
    return msgspec.structs.replace(descriptor, annotations={manifests.ORIGIN: origin} if origin else None)


def _names(entries: Iterable[Descriptor]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries if entry.name)


def _nameable(name: str) -> str:
    """The normalised form of a name for a new image. Raises InvalidImageName, PodrunError for a digest."""
    reference = references.parse(name)
    if reference.digest is not None:
        raise PodrunError(f'cannot name an image "{name}": a digest is not for you to choose')
    return str(reference)


def _names_meant(text: str, image: Image) -> Sequence[str]:
    """The one tag that was said; by id or digest, all tags."""
    with contextlib.suppress(references.InvalidImageName):
        if str(references.parse(text)) in image.names and "@" not in text:
            return (str(references.parse(text)),)
    return [name for name in image.names if "@" not in name]


def _is_meant(reference: Reference, image: Image | DamagedImage) -> bool:
    if reference.digest is None:
        return str(reference) in image.names
    origins = (*image.names, *(image.origins if isinstance(image, Image) else ()))
    if f"{reference.repository}@{reference.digest}" in origins:
        return True  # the digest of an index that offers this image
    repositories = {references.parse(name).repository for name in image.names}
    return reference.digest == image.digest and reference.repository in repositories


def _with(index: Sequence[Descriptor], added: Descriptor, names: Sequence[str]) -> Iterator[Descriptor]:
    """The names move to the new manifest; one that loses its last name stays without: containers may use it.

    Of names that it has already only the origin is new.
    """
    taken = [d for d in index if d.name in names and d.digest != added.digest]
    still_named = {d.digest for d in index if d.name and d.name not in names}
    has = {d.name for d in index if d.digest == added.digest}
    origin = {manifests.ORIGIN: added.origin} if added.origin else {}
    for descriptor in index:
        if descriptor not in taken:
            if descriptor.digest == added.digest and descriptor.name in names and origin:
                yield msgspec.structs.replace(descriptor, annotations=(descriptor.annotations or {}) | origin)
            elif descriptor.digest != added.digest or descriptor.name or not names:
                yield descriptor
        elif descriptor.digest not in still_named:
            still_named.add(descriptor.digest)
            yield msgspec.structs.replace(descriptor, annotations=None)
    for name in names:
        if name not in has:
            named = {manifests.NAME: name, manifests.REF_NAME: name}
            yield msgspec.structs.replace(added, annotations=named | origin)
    if not names and not has:
        yield msgspec.structs.replace(added, annotations=None)


def _without(index: Sequence[Descriptor], digest: str, names: Sequence[str]) -> Iterator[Descriptor]:
    return (d for d in index if d.digest != digest or (d.name is not None and d.name not in names))
