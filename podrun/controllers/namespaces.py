"""Namespaces: each has a service account `default`; one that was deleted goes with all that is in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import cast

from msgspec.structs import replace

from podrun.api import kinds, objects, times
from podrun.kubelet import static_pods
from podrun.store import errors
from podrun.store.kinds import T
from podrun.store.store import Store

logger = logging.getLogger(__name__)

DEFAULT_ACCOUNT = "default"
CONTENT = tuple(
    cast("type[objects.Object]", kind.type) for kind in kinds.KINDS if kind.namespaced and kind.name != "Event"
)
LOOK = 0.1  # seconds between two looks at what is left of a namespace
RETRY = 15.0  # seconds until what failed is tried again


class Namespaces:
    """`run` until cancelled."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Event()

    async def run(self) -> None:
        kinds = (objects.Namespace, objects.ServiceAccount)
        following = [self._store.follow(kind, lambda _: self._changed.set()) for kind in kinds]
        try:
            while True:
                self._changed.clear()
                is_ending = await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK if is_ending else RETRY):
                        await self._changed.wait()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def _look(self) -> bool:
        """Whether a namespace is on its way out."""
        is_ending = False
        for namespace in self._store.list(objects.Namespace)[0]:
            try:
                if namespace.metadata.deletion_timestamp is not None:
                    is_ending = True
                    await self._end(namespace)
                else:
                    await self._provide(namespace.metadata.name)
            except errors.StoreError as error:
                logger.warning("cannot look after namespace %s: %s", namespace.metadata.name, error)
        return is_ending

    async def _provide(self, name: str) -> None:
        if self._store.get(objects.ServiceAccount, name, DEFAULT_ACCOUNT) is None:
            metadata = objects.ObjectMeta(name=DEFAULT_ACCOUNT, namespace=name)
            with contextlib.suppress(errors.AlreadyExistsError):
                await self._store.create(objects.ServiceAccount(metadata=metadata), durable=False)

    async def _end(self, namespace: objects.Namespace) -> None:
        name = namespace.metadata.name
        content = [found for kind in CONTENT for found in self._store.list(kind, name)[0]]
        for found in content:
            await end(self._store, found, time.time())
        if content:
            return
        for event in self._store.list(objects.Event, name)[0]:
            await self._remove(event)
        await self._remove(namespace)

    async def _remove(self, found: objects.Object) -> None:
        metadata = found.metadata
        with contextlib.suppress(errors.NotFoundError):
            await self._store.delete(type(found), metadata.namespace, metadata.name, uid=metadata.uid)


async def end(store: Store, found: objects.Object, now: float) -> None:
    """Have it deleted as a user would: pods within their grace period, what has finalizers when they are gone."""
    metadata = found.metadata
    if metadata.deletion_timestamp is not None and (metadata.finalizers or isinstance(found, objects.Pod)):
        return
    with contextlib.suppress(errors.NotFoundError, errors.ConflictError):
        if isinstance(found, objects.Pod):
            await store.update(
                objects.Pod,
                metadata.namespace,
                metadata.name,
                lambda pod: static_pods.ending(pod, now),
                uid=metadata.uid,
            )
        elif metadata.finalizers:
            await store.update(
                type(found), metadata.namespace, metadata.name, lambda one: marked(one, now), uid=metadata.uid
            )
        else:
            await store.delete(type(found), metadata.namespace, metadata.name, uid=metadata.uid)


def marked(found: T, now: float) -> T:
    """As one that is to go; it stays until its finalizers are gone. `now` is Unix time."""
    metadata = found.metadata
    if metadata.deletion_timestamp is not None:
        return found
    changed = replace(metadata, deletion_timestamp=times.rfc3339(math.floor(now)), deletion_grace_period_seconds=0)
    return replace(found, metadata=changed)


def terminating(namespace: objects.Namespace, now: float) -> objects.Namespace:
    return replace(marked(namespace, now), status=replace(namespace.status, phase="Terminating"))
