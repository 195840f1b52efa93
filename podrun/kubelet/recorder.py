"""Writes events of Kubernetes. Which are counted, combined or left out is decided in event_correlation.py."""

from __future__ import annotations

import asyncio
import logging
import time

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.kubelet.event_correlation import Correlator, Said, Shown
from podrun.store import errors
from podrun.store.store import Store

logger = logging.getLogger(__name__)

COMPONENT = "kubelet"
SCHEDULER = "default-scheduler"
NAMESPACE_OF_OTHERS = "default"  # events about objects that are in no namespace

About = objects.Pod | objects.Node | objects.PersistentVolumeClaim


class Recorder:
    """Writes events to the store in the background; a failed write is logged, never raised."""

    def __init__(self, store: Store, node: str) -> None:
        self._store = store
        self._node = node
        self._correlator = Correlator()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0

    def record(
        self, about: About, type: str, reason: str, message: str, container: str = "", component: str = COMPONENT
    ) -> None:
        now = time.time()
        self._serial += 1
        name = f"{about.metadata.name}.{int(now * 1e9) + self._serial:x}"
        said = Said(component, about.metadata.uid, _field_path(about, container), type, reason, message)
        shown = self._correlator.correlate(said, name, now)
        if shown is not None:
            task = asyncio.create_task(self._write(about, said, shown, now))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Until all is written."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, about: About, said: Said, shown: Shown, now: float) -> None:
        """What is said in one turn of the loop is committed together: the store has each write before it waits."""
        try:
            if shown.count == 1 or not await self._renew(about, shown, now):
                await self._store.create(self._event(about, said, shown, now), durable=False)
        except errors.StoreError as error:
            logger.warning("cannot record event %s of %s: %s", said.reason, about.metadata.name, error)

    async def _renew(self, about: About, shown: Shown, now: float) -> bool:
        """Whether the event is still there."""

        def change(event: objects.Event) -> objects.Event:
            return replace(event, message=shown.message, count=shown.count, last_timestamp=times.rfc3339(now))

        namespace = about.metadata.namespace or NAMESPACE_OF_OTHERS
        try:
            await self._store.update(objects.Event, namespace, shown.name, change, durable=False)
        except errors.NotFoundError:
            return False
        return True

    def _event(self, about: About, said: Said, shown: Shown, now: float) -> objects.Event:
        meta = about.metadata
        host = self._node if said.source == COMPONENT else ""
        return objects.Event(
            metadata=objects.ObjectMeta(name=shown.name, namespace=meta.namespace or NAMESPACE_OF_OTHERS),
            involved_object=objects.ObjectReference(
                kind=about.kind,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                api_version="v1",
                resource_version=meta.resource_version,
                field_path=said.field_path,
            ),
            reason=said.reason,
            message=shown.message,
            source=objects.EventSource(component=said.source, host=host),
            first_timestamp=times.rfc3339(shown.first),
            last_timestamp=times.rfc3339(now),
            count=shown.count,
            type=said.type,
            reporting_component=said.source,
            reporting_instance=host,
        )


def _field_path(about: About, container: str) -> str:
    if not container or not isinstance(about, objects.Pod):
        return ""
    group = "containers"
    if any(c.name == container for c in about.spec.init_containers):
        group = "initContainers"
    elif any(c.name == container for c in about.spec.ephemeral_containers):
        group = "ephemeralContainers"
    return f"spec.{group}{{{container}}}"
