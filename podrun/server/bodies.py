"""Bodies of requests: bounded, then parsed as strictly as a manifest."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from podrun.api import kinds, objects, parse, status_errors
from podrun.server.failures import MAX_BODY

SMALL = 32 << 10
"""Bytes."""


async def read(request: web.Request) -> bytes:
    """The body. StatusError 413: it is, or says that it is, larger than MAX_BODY; the rest is not read."""
    if request.content_length is not None and request.content_length > MAX_BODY:
        raise status_errors.too_large(MAX_BODY)
    return await request.read()


async def read_objects(request: web.Request) -> tuple[objects.Object, ...]:
    """All objects of the manifest in the body. StatusError: everything that is wrong with it."""
    body = await read(request)
    # Some hundred kilobytes of YAML take a second: not on the event loop.
    return parse.parse(body) if len(body) < SMALL else await asyncio.to_thread(parse.parse, body)


async def read_object(request: web.Request, kind: kinds.Kind) -> objects.Object:
    """The one object of this kind that the body holds, YAML or JSON."""
    parsed = await read_objects(request)
    if len(parsed) != 1:
        raise status_errors.bad_request(f"expected one {kind.name} in the body of the request, got {len(parsed)}")
    return of_kind(parsed[0], kind)


def of_kind(parsed: objects.Object, kind: kinds.Kind) -> objects.Object:
    if not isinstance(parsed, kind.type):
        found = type(parsed).__name__
        message = (
            f'{found} in version "v1" cannot be handled as a {kind.name}: converting (v1.{found}) to (v1.{kind.name})'
        )
        raise status_errors.bad_request(message)
    return parsed


async def read_json(request: web.Request) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one."""
    body = await read(request)
    value = _decoded(body) if body else {}
    if not isinstance(value, dict):
        raise status_errors.bad_request("the body of the request is not a JSON object")
    return value


async def read_json_list(request: web.Request) -> list[Any]:
    value = _decoded(await read(request))
    if not isinstance(value, list):
        raise status_errors.bad_request("the body of the request is not a JSON list")
    return value


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise status_errors.bad_request(f"the body of the request is not JSON: {error}") from None
