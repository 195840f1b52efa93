"""Pulls of this node: who asks for the same shares the work, few run at once, layers on their way are waited for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from podrun.errors import PodrunError
from podrun.image import choice, manifests
from podrun.image.images import Image
from podrun.image.references import Reference
from podrun.image.store import Images
from podrun.registry import credentials, fetching, skopeo
from podrun.registry.credentials import Credential, Keyring
from podrun.registry.fetching import PullError
from podrun.registry.messages import Job, Progress
from podrun.registry.skopeo import Source

MOST_AT_ONCE = 3

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """`seconds` are those of the work itself, without the wait for others' pulls."""

    image: Image
    seconds: float


@dataclass(slots=True)
class _Running:
    """One pull and those who wait for it."""

    task: asyncio.Task[Pulled]
    listeners: list[OnProgress] = field(default_factory=list)
    waiters: int = 0


class Pulls:
    """`scratch`: a directory for one pull's credentials; what is left in it by an earlier process goes."""

    def __init__(
        self, images: Images, scratch: Path, auth_file: Path, insecure: Collection[str], disk: Executor
    ) -> None:
        self._images = images
        self._scratch = scratch
        self._auth_file = auth_file
        self._insecure = insecure
        self._disk = disk
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._running: dict[tuple[str, Credential | None], _Running] = {}
        self._tasks: set[asyncio.Task[Pulled]] = set()
        self._fetching: dict[str, asyncio.Event] = {}  # layers on their way
        shutil.rmtree(scratch, ignore_errors=True)

    async def pull(
        self, reference: Reference, keyrings: Sequence[Keyring] = (), on_progress: OnProgress | None = None
    ) -> Pulled:
        """The image that the registry has now under this name, on this machine. PullError.

        `keyrings` come before the node's own; with several fitting credentials, one after another is tried.
        """
        known = credentials.lookup((*keyrings, self.own_keyring()), reference.repository)
        tried: Sequence[Credential | None] = known or (None,)
        for number, credential in enumerate(tried, 1):
            try:
                return await self._shared(reference, credential, on_progress)
            except PullError as error:
                if not error.is_refused or number == len(tried):
                    raise
        raise AssertionError

    def own_keyring(self) -> Keyring:
        """What `image login` has stored. PullError: it can't be read."""
        try:
            return credentials.parse_config(self._auth_file.read_bytes())
        except FileNotFoundError:
            return ()
        except (PodrunError, OSError) as error:
            raise PullError(f"{self._auth_file}: {error}") from error

    async def log_in(self, registry: str, username: str, password: str) -> None:
        """Stores the credential once the registry has taken it. PullError."""
        secure = skopeo.is_secure(registry, self._insecure)
        await fetching.log_in(registry, username, password, str(self._auth_file), is_secure=secure)

    async def log_out(self, registry: str) -> None:
        """Forgets the credential. PullError: there is none."""
        if not self._auth_file.exists():
            raise PullError(f"not logged in to {registry}")
        await fetching.log_out(registry, str(self._auth_file))

    async def close(self) -> None:
        """Ends what is going on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # One pull.

    async def _shared(self, reference: Reference, credential: Credential | None, listener: OnProgress | None) -> Pulled:
        """Joins the same pull where one is going on. It ends with the last one who waits for it."""
        key = (str(reference), credential)
        running = self._running.get(key)
        if running is None:
            running = _Running(asyncio.create_task(self._pull(reference, credential, key)))
            self._running[key] = running
            self._tasks.add(running.task)
            running.task.add_done_callback(partial(self._ended, key))
        running.waiters += 1
        if listener is not None:
            running.listeners.append(listener)
        try:
            return await asyncio.shield(running.task)
        finally:
            running.waiters -= 1
            if listener is not None:
                running.listeners.remove(listener)
            if running.waiters == 0 and not running.task.done():
                self._running.pop(key, None)
                running.task.cancel()

    def _ended(self, key: tuple[str, Credential | None], task: asyncio.Task[Pulled]) -> None:
        self._tasks.discard(task)
        if (running := self._running.get(key)) is not None and running.task is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # told to those who waited, if anyone did

    async def _pull(
        self, reference: Reference, credential: Credential | None, key: tuple[str, Credential | None]
    ) -> Pulled:
        full = str(reference)
        try:
            async with self._slots:
                began = time.monotonic()
                with self._images.explained("pull it"), self._source(reference, credential) as source:
                    image = await self._resolve(reference, source, partial(self._tell, key))
                return Pulled(image, time.monotonic() - began)
        except PullError as error:
            text = f'failed to pull and unpack image "{full}": {error.message}'
            raise PullError(text, error.hint, refused=error.is_refused, unavailable=error.is_unavailable) from error
        except PodrunError as error:
            text = error.message.removeprefix("cannot pull it: ")
            raise PullError(f'failed to pull and unpack image "{full}": {text}', error.hint) from error

    def _tell(self, key: tuple[str, Credential | None], progress: Progress) -> None:
        if (running := self._running.get(key)) is not None:
            for listener in running.listeners:
                listener(progress)

    @contextlib.contextmanager
    def _source(self, reference: Reference, credential: Credential | None) -> Iterator[Source]:
        """The repository with a private file of what may unlock it."""
        registry = reference.repository.partition("/")[0]
        path = self._scratch / f"{secrets.token_hex(8)}.json"
        try:
            self._keep(path, credentials.auth_file(registry, credential))
            yield Source(reference.repository, skopeo.is_secure(registry, self._insecure), str(path))
        finally:
            path.unlink(missing_ok=True)

    def _keep(self, path: Path, secret: bytes) -> None:
        try:
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(secret)
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            hint = f"free some space on the filesystem of {self._scratch}" if is_full else None
            raise PullError(f"cannot write {path}: {(error.strerror or str(error)).lower()}", hint) from error

    async def _resolve(self, reference: Reference, source: Source, on_progress: OnProgress) -> Image:
        """From the name to the manifest for this machine, to an image."""
        version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
        document = await self._manifest(source, version)
        names = (f"{reference.repository}{version}",)
        origin = f"{reference.repository}@{choice.digest_of(document)}"
        if choice.is_index(document):
            chosen = choice.choose(document).digest
            if (known := self._images.find_digest(chosen)) is not None:
                return await self._named(known, names, origin)
            document = await self._manifest(source, f"@{chosen}")
        digest = choice.digest_of(document)
        if (known := self._images.find_digest(digest)) is not None:
            return await self._named(known, names, origin)
        manifest = manifests.parse_manifest(document)
        job = Job(
            parent=os.getpid(),
            images=str(self._images.layout.root),
            source=source,
            digest=digest,
            manifest=document,
            media_type=choice.media_type(document),
            names=names,
            origin=origin,
        )
        async with self._only_fetcher({layer.digest for layer in manifest.layers}):
            try:
                await fetching.fetch(job, on_progress)
            except BaseException:
                await self._swept()
                raise
        image = self._images.find_digest(digest)
        if image is None:
            raise PullError("it was removed again at once")
        return image

    async def _swept(self) -> None:
        """A fetch that failed has cleaned up after itself, unless it had to be killed. The next pull tries again."""
        with contextlib.suppress(OSError, PodrunError):
            await asyncio.get_running_loop().run_in_executor(self._disk, self._images.sweep)

    async def _manifest(self, source: Source, version: str) -> bytes:
        document = await fetching.manifest(source, version)
        if version.startswith("@") and choice.digest_of(document) != version[1:]:
            raise PullError(f"the registry answered with another manifest than {version[1:]}")
        return document

    async def _named(self, image: Image, names: tuple[str, ...], origin: str) -> Image:
        add = partial(self._images.add_names, image, names, origin)
        return await asyncio.get_running_loop().run_in_executor(self._disk, add)

    @contextlib.asynccontextmanager
    async def _only_fetcher(self, layers: Collection[str]) -> AsyncIterator[None]:
        """While another pull fetches some of these layers, it is waited for: then they are here."""
        while busy := [self._fetching[layer] for layer in layers if layer in self._fetching]:
            await busy[0].wait()
        done = asyncio.Event()
        self._fetching |= dict.fromkeys(layers, done)
        try:
            yield
        finally:
            for layer in layers:
                del self._fetching[layer]
            done.set()
