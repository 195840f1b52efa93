"""The watch feed: a bounded history of changes, and watchers with bounded buffers. Lives on the event loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, Literal

from podrun.api import objects
from podrun.store import errors
from podrun.store.kinds import T

HISTORY = 1024
"""Changes kept for watchers that come back: some seconds of 110 pods starting at once, an hour of a quiet node. Each
version of a pod takes 2 KiB."""

BUFFER = 1024
"""Changes that a watcher may lag behind before it is dropped; the first list of objects does not count."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """One change. `previous` is the object before it, for watchers that select by labels or fields."""

    type: ChangeType
    object: T
    resource_version: int
    previous: T | None = None


class Watch(Generic[T]):
    """An endless iterator of changes to one kind. Close it, or use it in a `with` statement."""

    def __init__(self, feed: Feed, kind: type[T], namespace: str | None, first: list[WatchEvent[T]]) -> None:
        self._feed = feed
        self._kind = kind
        self._namespace = namespace
        self._queue = deque(first)
        self._limit = len(first) + BUFFER
        self._delivered = 0
        self._wakeup: asyncio.Future[None] | None = None
        self._closed = False
        self._dropped = False

    def __enter__(self) -> Watch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Watch[T]:
        return self

    async def __anext__(self) -> WatchEvent[T]:
        """The next change. ExpiredError: this watcher was too slow and has missed some; list again."""
        while not self._queue:
            if self._dropped:
                raise errors.ExpiredError("cannot go on watching: the watcher was too slow and has missed changes")
            if self._closed:
                raise StopAsyncIteration
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        event = self._queue.popleft()
        self._delivered = max(self._delivered, event.resource_version)
        return event

    def take(self) -> WatchEvent[T] | None:
        """The next change if there is one already: lets a writer join what is pending into one write."""
        if not self._queue:
            return None
        event = self._queue.popleft()
        self._delivered = max(self._delivered, event.resource_version)
        return event

    @property
    def resource_version(self) -> int:
        """Everything up to here has been delivered; what a bookmark says."""
        return self._delivered if self._queue or self._dropped else max(self._delivered, self._feed.newest)

    def close(self) -> None:
        self._closed = True
        self._feed.forget(self)
        self._wake()

    def offer(self, event: WatchEvent[T]) -> None:
        """Called by the feed for each change."""
        if not isinstance(event.object, self._kind):
            return
        if self._namespace is not None and event.object.metadata.namespace != self._namespace:
            return
        if len(self._queue) >= self._limit:
            self._dropped = True
            self._queue.clear()
            self._feed.forget(self)
        else:
            self._queue.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)


class Feed:
    """All changes in the order of their resourceVersion, from `start` on."""

    def __init__(self, start: int, history: int = HISTORY) -> None:
        self.newest = start
        self._oldest = start
        self._limit = history
        self._history: deque[WatchEvent[objects.Object]] = deque()
        self._watches: set[Watch[objects.Object]] = set()

    def publish(self, event: WatchEvent[objects.Object]) -> None:
        self.newest = event.resource_version
        self._history.append(event)
        if len(self._history) > self._limit:
            self._oldest = self._history.popleft().resource_version
        for watch in tuple(self._watches):
            watch.offer(event)

    def watch(self, kind: type[T], namespace: str | None, since: int | None, present: list[T]) -> Watch[T]:
        """Changes after `since`; without it, `present` as ADDED and then every change from now on."""
        if since is None:
            first: list[WatchEvent[T]] = [
                WatchEvent("ADDED", one, int(one.metadata.resource_version)) for one in present
            ]
            watch: Watch[T] = Watch(self, kind, namespace, first)
        else:
            self._check_in_history(since)
            watch = Watch(self, kind, namespace, [])
            watch._limit += len(self._history)
            for event in self._history:
                if event.resource_version > since:
                    watch.offer(event)  # type: ignore[arg-type]  # offer() looks at the kind
        self._watches.add(watch)  # type: ignore[arg-type]
        return watch

    def forget(self, watch: Watch[T]) -> None:
        self._watches.discard(watch)

    def close(self) -> None:
        for watch in tuple(self._watches):
            watch.close()

    def _check_in_history(self, since: int) -> None:
        if since < self._oldest:
            raise errors.ExpiredError(f"too old resource version: {since} ({self._oldest})")
        if since > self.newest:
            raise errors.ExpiredError(f"too large resource version: {since}, current: {self.newest}")
