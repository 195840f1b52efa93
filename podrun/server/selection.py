"""The labelSelector and fieldSelector of a request as one predicate."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from podrun.api import kinds, objects, selector

Selection = Callable[[objects.Object], bool]


def of(request: web.Request, kind: kinds.Kind) -> Selection:
    """StatusError: a selector that does not parse, or a field that the kind can't be asked by."""
    labels = selector.parse_labels(request.query.get("labelSelector", ""))
    fields = selector.parse_fields(request.query.get("fieldSelector", ""), kind.name)
    return lambda found: labels.matches(found.metadata.labels) and fields.matches(found)
