"""Events of Kubernetes, counted: the same thing said again about the same object raises its count."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from msgspec.structs import replace

from podrun.api import objects, times
from podrun.store import errors
from podrun.store.store import Store

logger = logging.getLogger(__name__)

COMPONENT = "kubelet"
SCHEDULER = "default-scheduler"
MOST_REMEMBERED = 4096
NAMESPACE_OF_OTHERS = "default"  # events about objects that are in no namespace

About = objects.Pod | objects.Node | objects.PersistentVolumeClaim

_Key = tuple[str, str, str, str, str]


class Recorder:
    """Writes events to the store in the background; a failed write is logged, never raised."""

    def __init__(self, store: Store, node: str) -> None:
        self._store = store
        self._node = node
        self._names: dict[_Key, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._serial = 0

    def record(
        self, about: About, type: str, reason: str, message: str, container: str = "", component: str = COMPONENT
    ) -> None:
        task = asyncio.create_task(self._record(about, type, reason, message, container, component))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Until all is written."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _record(self, about: About, type: str, reason: str, message: str, container: str, component: str) -> None:
        key = (about.metadata.uid, container, type, reason, message)
        now = time.time()
        try:
            async with self._lock:
                if not await self._counted(about, key, now):
                    await self._create(about, key, now, component)
        except errors.StoreError as error:
            logger.warning("cannot record event %s of %s: %s", reason, about.metadata.name, error)

    async def _counted(self, about: About, key: _Key, now: float) -> bool:
        name = self._names.get(key)
        if name is None:
            return False
        with contextlib.suppress(errors.NotFoundError):
            await self._store.update(
                objects.Event,
                about.metadata.namespace or NAMESPACE_OF_OTHERS,
                name,
                lambda event: replace(event, count=event.count + 1, last_timestamp=times.rfc3339(now)),
                durable=False,
            )
            return True
        return False

    async def _create(self, about: About, key: _Key, now: float, component: str) -> None:
        meta = about.metadata
        _, container, type, reason, message = key
        self._serial += 1
        name = f"{meta.name}.{int(now * 1e9) + self._serial:x}"
        event = objects.Event(
            metadata=objects.ObjectMeta(name=name, namespace=meta.namespace or NAMESPACE_OF_OTHERS),
            involved_object=objects.ObjectReference(
                kind=about.kind,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                api_version="v1",
                resource_version=meta.resource_version,
                field_path=_field_path(about, container),
            ),
            reason=reason,
            message=message,
            source=objects.EventSource(component=component, host=self._node if component == COMPONENT else ""),
            first_timestamp=times.rfc3339(now),
            last_timestamp=times.rfc3339(now),
            count=1,
            type=type,
            reporting_component=component,
            reporting_instance=self._node if component == COMPONENT else "",
        )
        await self._store.create(event, durable=False)
        if len(self._names) >= MOST_REMEMBERED:
            self._names.clear()
        self._names[key] = name


def _field_path(about: About, container: str) -> str:
    if not container or not isinstance(about, objects.Pod):
        return ""
    group = "containers"
    if any(c.name == container for c in about.spec.init_containers):
        group = "initContainers"
    elif any(c.name == container for c in about.spec.ephemeral_containers):
        group = "ephemeralContainers"
    return f"spec.{group}{{{container}}}"
