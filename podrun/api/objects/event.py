"""Event (core/v1)."""

from __future__ import annotations

from podrun.api.objects.meta import ObjectMeta
from podrun.api.objects.references import ObjectReference
from podrun.api.objects.struct import Int32, KubeStruct, MicroTime, Time, always


class EventSource(KubeStruct, frozen=True, kw_only=True):
    component: str = ""
    host: str = ""


class EventSeries(KubeStruct, frozen=True, kw_only=True):
    count: Int32 = 0
    last_observed_time: MicroTime | None = None


class Event(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("Event")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    involved_object: ObjectReference = always(ObjectReference())
    reason: str = ""
    message: str = ""
    source: EventSource = always(EventSource())
    first_timestamp: Time | None = always(None)
    last_timestamp: Time | None = always(None)
    count: Int32 = 0
    type: str = ""
    event_time: MicroTime | None = always(None)
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = always("")
    reporting_instance: str = always("")
