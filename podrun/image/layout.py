"""One OCI image layout on disk: content-addressed blobs and an index that says which name means which manifest.

It knows digests, names and locks, not what the blobs mean. OCI image spec, "Image Layout".
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from podrun.image import manifests
from podrun.image.errors import BadImage
from podrun.image.manifests import Descriptor
from podrun.image.removal import remove_tree
from podrun.linux.syscall import check, declare

_syncfs = declare("syncfs", ctypes.c_int)

Fingerprint = tuple[int, int, int]


class Layout:
    """A directory that only root enters. Writers are many: blobs and the index appear whole or not at all.

    Two locks, always taken in this order: `work` is shared by everyone who writes blobs and taken alone by who removes
    unused ones; `index` is held only while index.json is changed. Readers need none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / "staging"
        self._blobs = root / "blobs" / "sha256"
        self._index = root / "index.json"

    def create(self) -> None:
        """Makes what is not there yet."""
        with self.writing():
            pass

    def _create_directories(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        # Images hold set-user-ID programs of all ages; nobody else on the machine may reach them.
        self.root.chmod(0o700)
        for directory in (self.staging, self._blobs):
            directory.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Descriptor:
        """Stores a blob. Raises BadImage when its digest is not the `expected` one; then nothing is stored."""
        staged = self.staging / f"blob-{secrets.token_hex(8)}"
        sha256 = hashlib.sha256()
        size = 0
        try:
            with staged.open("xb", buffering=0) as file:
                for chunk in chunks:
                    sha256.update(chunk)
                    size += len(chunk)
                    _write(file.fileno(), chunk)
            digest = f"sha256:{sha256.hexdigest()}"
            if expected is not None and digest != expected:
                raise BadImage(f"blob {expected} is damaged: its digest is {digest}")
            staged.rename(self.blob(digest))
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return Descriptor(digest, size)

    def read(self, digest: str) -> bytes:
        """A manifest or config, its digest checked. Raises BadImage where it is missing, damaged or too long."""
        try:
            with self.blob(digest).open("rb") as file:
                content = file.read(manifests.LONGEST + 1)
        except FileNotFoundError as error:
            raise BadImage(f"blob {digest} is missing") from error
        if len(content) > manifests.LONGEST:
            raise BadImage(
                f"blob {digest} is longer than the {manifests.LONGEST} bytes that a manifest or config may have"
            )
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise BadImage(f"blob {digest} is damaged")
        return content

    def remove_all_but(self, digests: Collection[str]) -> None:
        """For a sweep: removes all other blobs."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._blobs):
                if f"sha256:{name}" not in digests:
                    (self._blobs / name).unlink()

    def empty_staging(self) -> None:
        """For a sweep: removes what interrupted work left."""
        with contextlib.suppress(FileNotFoundError):
            for path in list(self.staging.iterdir()):
                if path.is_dir() and not path.is_symlink():
                    remove_tree(path, aside=self.staging)
                else:
                    path.unlink()

    def fingerprint(self) -> Fingerprint | None:
        """Changes whenever the index does."""
        try:
            status = self._index.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def index(self) -> tuple[Descriptor, ...]:
        """The named and unnamed manifests, in the order in which they came."""
        try:
            return manifests.parse_index(self._index.read_bytes()).manifests
        except FileNotFoundError:
            return ()

    def change_index(self, change: Callable[[tuple[Descriptor, ...]], Iterable[Descriptor]]) -> None:
        """Replaces the index by what `change` makes of it, when all that it may point to is safely on disk."""
        self.sync()
        with self._locked("index.lock", fcntl.LOCK_EX):
            before = self.index()
            after = tuple(change(before))
            if after != before:
                self._replace(self._index, msgspec.json.encode(manifests.Index(manifests=after)))

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """While this lasts, no blob and no staged work is swept away."""
        self._create_directories()
        with self._locked("work.lock", fcntl.LOCK_SH):
            if not (self.root / "oci-layout").exists():
                self._replace(self.root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            yield

    @contextlib.contextmanager
    def sweeping(self) -> Iterator[bool]:
        """True when nobody else is writing, and nobody may begin: what the index does not name can go.

        Who finishes writing sweeps, so what is skipped here is done by them. The index lock is let go last: whoever
        changes the index after that finds the work lock free.
        """
        with contextlib.ExitStack() as stack:
            try:
                work = stack.enter_context(self._locked("work.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            with self._locked("index.lock", fcntl.LOCK_EX):
                yield True
                fcntl.flock(work, fcntl.LOCK_UN)

    def sync(self) -> None:
        """After a power failure, what the index names must be whole. syncfs(2)."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check(_syncfs(fd), "syncfs", str(self.root))
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _locked(self, name: str, operation: int) -> Iterator[int]:
        fd = os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, operation)
            yield fd
        finally:
            os.close(fd)

    def _replace(self, path: Path, content: bytes) -> None:
        staged = self.staging / f"{path.name}-{secrets.token_hex(8)}"
        try:
            with staged.open("xb", buffering=0) as file:
                _write(file.fileno(), content)
                os.fsync(file.fileno())
            staged.rename(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise


def _write(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
