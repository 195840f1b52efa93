"""Answers: objects, lists and watch events as JSON, or as the Table that the client asked for."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec.structs import replace

from podrun.api import kinds, objects, pod_warnings, tables

JSON = "application/json"


def with_object(stored: objects.KubeStruct, code: int = 200) -> web.Response:
    return web.Response(body=kinds.to_json(stored), status=code, content_type=JSON)


def with_change(stored: objects.Object, code: int = 200) -> web.Response:
    """An object that was created or changed, with what there is to warn of in headers (RFC 7234, warn-code 299)."""
    answer = with_object(stored, code)
    for text in pod_warnings.warnings(stored):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def wants_table(request: web.Request) -> bool:
    """Whether a Table of meta.k8s.io/v1 stands in front of plain JSON in the Accept header."""
    for choice in request.headers.get("Accept", "").split(","):
        parameters = {part.strip() for part in choice.split(";")}
        if {"as=Table", "v=v1", "g=meta.k8s.io"} <= parameters:
            return True
        if parameters & {JSON, "*/*"} and not any(part.startswith("as=") for part in parameters):
            return False
    return False


def table(request: web.Request, kind: kinds.Kind, items: Sequence[objects.Object], version: str, now: float) -> bytes:
    """Rows carry as much of their objects as `includeObject` says: None, Metadata (the default) or Object."""
    made = tables.table(kind.name, items, now, version)
    match request.query.get("includeObject", ""):
        case "None":
            rows = tuple(replace(row, object=None) for row in made.rows)
        case "Object":
            rows = tuple(replace(row, object=item) for row, item in zip(made.rows, items, strict=True))
        case _:
            rows = made.rows
    return kinds.to_json(replace(made, rows=rows))


def listing(kind: kinds.Kind, items: Sequence[objects.Object], version: str) -> bytes:
    metadata = objects.ListMeta(resource_version=version)
    return kinds.to_json(objects.List(kind=f"{kind.name}List", metadata=metadata, items=tuple(items)))
