"""`/podrun/v1/explain`: what a kind or one of its fields is."""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.api import explanations, kinds, status_errors
from podrun.server import answers, context


async def show(request: web.Request) -> web.StreamResponse:
    """`resource` as a user writes it, `path` of field names with dots between."""
    word = request.query.get("resource", "")
    kind = kinds.find_resource(word)
    if kind is None:
        raise status_errors.StatusError(404, "NotFound", f'the server doesn\'t have a resource type "{word}"')
    path = tuple(part for part in request.query.get("path", "").split(".") if part)
    found = explanations.explain(kind.type, path, recursive=context.boolean(request, "recursive"))
    if found is None:
        raise status_errors.StatusError(404, "NotFound", f'field "{path[-1]}" does not exist')
    body = {"kind": kind.name, "version": kind.api_version, "field": found}
    return web.Response(body=msgspec.json.encode(body), content_type=answers.JSON)
