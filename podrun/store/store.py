"""All objects: reads from memory, writes through one SQLite file, changes to watchers.

A write is prepared at once, against the newest version even where that still waits for the disk, so writers never
overtake each other. Readers and watchers see it once it is committed, in the order of resourceVersion: nobody is told
of anything that is not in the file. Everything runs on one event loop; only the commit is on a thread.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

import msgspec

from podrun.api import objects, times
from podrun.store import database, errors, kinds
from podrun.store.feed import HISTORY, ChangeType, Feed, Watch, WatchEvent
from podrun.store.kinds import Key, T

RESTART_GAP = 1000
"""Versions left out at each start: a power cut may have taken back the last few that watchers had already seen."""

EVENT_TTL = 3600.0
"""Seconds; the default of kube-apiserver's --event-ttl."""

EVENT_CAP = 5000
"""Events kept at most; the oldest go first."""


class Store:
    """`Store.open(path)`; one per file, used from one event loop."""

    def __init__(self, file: database.Database, *, clock: Callable[[], float], history: int) -> None:
        self._database = file
        self._clock = clock
        self._objects: dict[str, dict[tuple[str, str], objects.Object]] = {kind: {} for kind in kinds.TYPES}
        self._by_uid: dict[str, objects.Object] = {}
        self._uncommitted: dict[Key, tuple[int, objects.Object | None]] = {}  # by resourceVersion; None: removed
        self._records = file.records()
        for kind, text in file.objects():
            stored = kinds.decode(kind, text)
            self._objects[kind][stored.metadata.namespace, stored.metadata.name] = stored
            self._by_uid[stored.metadata.uid] = stored
        self._last_version = file.resource_version() + RESTART_GAP
        self._feed = Feed(self._last_version, history)
        self._epoch = 0

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time, history: int = HISTORY) -> Store:
        """Open or make the file and load everything. StoreError: not a database, a newer schema, no access."""
        file = database.Database(path)
        try:
            store = cls(file, clock=clock, history=history)
        except Exception:
            file.close()
            raise
        file.start()
        return store

    def close(self) -> None:
        """Commit what waits, close the file, end all watches. Blocks for as long as the disk needs."""
        self._database.close()
        self._feed.close()

    # Reads: what is committed, from memory.

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """`namespace` is "" for kinds outside of namespaces."""
        return cast("T | None", self._objects[kind.__name__].get((namespace, name)))

    def list(self, kind: type[T], namespace: str | None = None) -> tuple[list[T], int]:
        """All of one kind in one namespace (None: in all), by namespace and name; and the resourceVersion to watch
        from."""
        found = self._objects[kind.__name__]
        keys = sorted(key for key in found if namespace is None or key[0] == namespace)
        return [cast("T", found[key]) for key in keys], self._feed.newest

    def by_uid(self, uid: str) -> objects.Object | None:
        return self._by_uid.get(uid)

    def watch(self, kind: type[T], namespace: str | None = None, since: int | None = None) -> Watch[T]:
        """Changes after the resourceVersion `since`; without it, first every object as ADDED.

        ExpiredError, here or while iterating: the history does not reach back that far, `since` is from before this
        start, or the reader was too slow. List again.
        """
        return self._feed.watch(kind, namespace, since, self.list(kind, namespace)[0] if since is None else [])

    def follow(
        self, kind: type[T], tell: Callable[[WatchEvent[T] | None], None], *, since: int | None = None
    ) -> asyncio.Task[None]:
        """A task that tells of every change after `since` (None: after this call) until it is cancelled, or the store
        is closed. `tell(None)`: changes were missed, look at everything there is."""
        return asyncio.create_task(self._follow(kind, tell, self.resource_version if since is None else since))

    async def _follow(self, kind: type[T], tell: Callable[[WatchEvent[T] | None], None], since: int) -> None:
        while True:
            try:
                with self.watch(kind, since=since) as watch:
                    async for event in watch:
                        tell(event)
                return
            except errors.ExpiredError:
                since = self.resource_version
                tell(None)

    @property
    def resource_version(self) -> int:
        """Of the newest change that readers can see."""
        return self._feed.newest

    # Writes: done when committed. WriteFailedError: nothing of it happened.

    async def create(self, new: T, *, durable: bool = True) -> T:
        """Store an object with a fresh uid, creationTimestamp and generation 1; AlreadyExistsError."""
        key = kinds.key_of(new)
        present = self._newest(key)
        if present is not None:
            being_deleted = present.metadata.deletion_timestamp is not None
            raise errors.AlreadyExistsError(*key, being_deleted=being_deleted)
        stored = _with_metadata(
            new,
            uid=str(uuid.uuid4()),
            creation_timestamp=times.rfc3339(self._clock()),
            resource_version=str(self._next_version()),
            generation=1 if hasattr(new, "spec") else 0,
        )
        await self._write(key, stored, (), durable=durable, vital=False)
        if isinstance(new, objects.Event) and len(self._objects["Event"]) > EVENT_CAP:
            await self.prune_events(self._clock(), cap=EVENT_CAP - EVENT_CAP // 10)
        return stored

    async def update(
        self,
        kind: type[T],
        namespace: str,
        name: str,
        change: Callable[[T], T],
        *,
        durable: bool = True,
        resource_version: str | None = None,
        uid: str | None = None,
        record: bytes | None = None,
    ) -> T:
        """Replace an object by `change(object)`, which is called once, at once; what it raises goes to the caller.

        A change that alters nothing writes nothing. The generation rises with each change of the spec and when
        deletion begins. `record` is the pod's runtime record, stored in the same transaction. Errors: NotFoundError;
        ConflictError if `resource_version` or `uid` is given and differs.
        """
        key = kind.__name__, namespace, name
        current = self._existing(key, resource_version=resource_version, uid=uid)
        changed = change(cast("T", current))
        if kinds.key_of(changed) != key:
            raise errors.ConflictError(kind.__name__, name, "name and namespace can't change")
        more = () if record is None else ((database.PUT_RECORD, (current.metadata.uid, record)),)
        if record is not None:
            self._records[current.metadata.uid] = record
        if changed == current:
            if more or key in self._uncommitted:
                await self._run(more, durable=durable)
            return cast("T", current)
        stored = _with_metadata(
            changed,
            uid=current.metadata.uid,
            creation_timestamp=current.metadata.creation_timestamp,
            resource_version=str(self._next_version()),
            generation=current.metadata.generation + _starts_a_generation(current, changed),
        )
        await self._write(key, stored, more, durable=durable)
        return stored

    async def delete(
        self, kind: type[T], namespace: str, name: str, *, uid: str | None = None, drop_record: bool = False
    ) -> T:
        """Remove an object at once, and its runtime record if asked. The answer is its last state, with the
        resourceVersion of the removal. Errors: NotFoundError; ConflictError if `uid` is given and differs."""
        key = kind.__name__, namespace, name
        current = self._existing(key, uid=uid)
        last = _with_metadata(current, resource_version=str(self._next_version()))
        more: tuple[database.Statement, ...] = ()
        if drop_record:
            self._records.pop(current.metadata.uid, None)
            more = ((database.DROP_RECORD, (current.metadata.uid,)),)
        await self._write(key, last, more, durable=True, gone=True)
        return cast("T", last)

    async def prune_events(self, now: float, *, cap: int = EVENT_CAP) -> int:
        """Remove events last seen over an hour before `now` (Unix time), and the oldest beyond `cap`."""
        events = cast("list[objects.Event]", list(self._objects["Event"].values()))
        events.sort(key=lambda event: int(event.metadata.resource_version))
        surplus = max(0, len(events) - cap)
        gone = [event for place, event in enumerate(events) if place < surplus or _last_seen(event) < now - EVENT_TTL]
        pending = [
            self._write(kinds.key_of(event), self._removal(event), (), durable=False, gone=True)
            for event in gone
            if self._newest(kinds.key_of(event)) is event
        ]
        await asyncio.gather(*pending)
        return len(pending)

    # Runtime records: what the kubelet notes about a pod, opaque here.

    def records(self) -> Mapping[str, bytes]:
        """The newest record of each pod by its uid."""
        return MappingProxyType(self._records)

    async def put_record(self, uid: str, record: bytes) -> None:
        self._records[uid] = record
        await self._run(((database.PUT_RECORD, (uid, record)),), durable=False)

    async def drop_record(self, uid: str) -> None:
        if self._records.pop(uid, None) is not None:
            await self._run(((database.DROP_RECORD, (uid,)),), durable=False)

    def _newest(self, key: Key) -> objects.Object | None:
        """The version that the next write builds upon, committed or not."""
        if key in self._uncommitted:
            return self._uncommitted[key][1]
        kind, *place = key
        return self._objects[kind].get((place[0], place[1]))

    def _existing(self, key: Key, *, resource_version: str | None = None, uid: str | None = None) -> objects.Object:
        current = self._newest(key)
        if current is None:
            raise errors.NotFoundError(*key)
        metadata = current.metadata
        if uid is not None and uid != metadata.uid:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata.uid}"
            raise errors.ConflictError(key[0], key[2], why)
        if resource_version is not None and resource_version != metadata.resource_version:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise errors.ConflictError(key[0], key[2], why)
        return current

    def _next_version(self) -> int:
        self._last_version += 1
        return self._last_version

    def _removal(self, current: objects.Object) -> objects.Object:
        return _with_metadata(current, resource_version=str(self._next_version()))

    def _write(
        self,
        key: Key,
        stored: objects.Object,
        more: tuple[database.Statement, ...],
        *,
        durable: bool,
        gone: bool = False,
        vital: bool = True,
    ) -> asyncio.Future[None]:
        """Queue one change of one object. Its effects come with the commit, even if nobody awaits it any more.

        On a full disk, only what is `vital` gets at the reserve: everything but new objects.
        """
        version = int(stored.metadata.resource_version)
        change: database.Statement = (
            (database.DROP_OBJECT, key) if gone else (database.PUT_OBJECT, (*key, kinds.encode(stored)))
        )
        self._uncommitted[key] = version, None if gone else stored

        def committed() -> None:
            if self._uncommitted[key][0] == version:
                del self._uncommitted[key]
            self._show(key, stored, version, gone=gone)

        statements = (change, (database.COUNT, (version,)), *more)
        return self._run(statements, durable=durable, vital=vital, committed=committed)

    def _run(
        self,
        statements: tuple[database.Statement, ...],
        *,
        durable: bool,
        vital: bool = True,
        committed: Callable[[], None] | None = None,
    ) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        epoch = self._epoch

        def settled(failure: errors.WriteFailedError | None) -> None:
            if failure is None:
                if committed is not None:
                    committed()
                if not done.done():
                    done.set_result(None)
                return
            if epoch == self._epoch:  # The first of those that fail together: start over from what is committed.
                self._epoch += 1
                self._uncommitted.clear()
            if not done.done():
                done.set_exception(errors.WriteFailedError(failure.message, failure.hint))

        self._database.submit(database.Write(statements, durable, vital, epoch, loop, settled))
        return done

    def _show(self, key: Key, stored: objects.Object, version: int, *, gone: bool) -> None:
        """Let readers and watchers see a committed change."""
        kind, *place = key
        present = self._objects[kind]
        previous = present.get((place[0], place[1]))
        if gone:
            present.pop((place[0], place[1]), None)
            self._by_uid.pop(stored.metadata.uid, None)
        else:
            present[place[0], place[1]] = stored
            self._by_uid[stored.metadata.uid] = stored
        change: ChangeType = "DELETED" if gone else "ADDED" if previous is None else "MODIFIED"
        self._feed.publish(WatchEvent(change, stored, version, previous))


def _with_metadata(stored: T, **changes: object) -> T:
    return msgspec.structs.replace(stored, metadata=msgspec.structs.replace(stored.metadata, **changes))


def _starts_a_generation(before: objects.Object, after: objects.Object) -> bool:
    if before.metadata.deletion_timestamp is None and after.metadata.deletion_timestamp is not None:
        return before.metadata.generation > 0
    if isinstance(before, objects.Pod) and isinstance(after, objects.Pod):
        bound = msgspec.structs.replace(before.spec, node_name=after.spec.node_name)  # binding is no change of the wish
        return bound != after.spec
    return bool(getattr(before, "spec", None) != getattr(after, "spec", None))


def _last_seen(event: objects.Event) -> float:
    seen = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    try:
        return times.unix_seconds(seen or "")
    except ValueError:
        return 0.0
