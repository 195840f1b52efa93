"""Bodies of requests: bounded, then parsed as strictly as a manifest."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from podrun.api import kinds, objects, parse, protobuf, status_errors
from podrun.server.failures import MAX_BODY

SMALL = 32 << 10
"""Bytes."""

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
APPLY_PATCH = "application/apply-patch+yaml"
_ACCEPTED = (JSON, YAML, PROTOBUF)


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
    """The one object of this kind that the body holds: JSON, YAML or protobuf. StatusError, 415 for anything else."""
    if _media_type(request) == PROTOBUF:
        return of_kind(parse.from_value(_from_protobuf(await read(request))), kind)
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


async def read_options(request: web.Request) -> dict[str, Any]:
    """The options of a deletion; none where there is no body."""
    if not request.can_read_body:
        return {}
    return _from_protobuf(await read(request)) if _media_type(request) == PROTOBUF else await read_json(request)


def _media_type(request: web.Request) -> str:
    """StatusError: one that objects are not read from."""
    if "Content-Type" not in request.headers:
        return JSON
    given = request.content_type
    if given not in _ACCEPTED and not (request.method == "PATCH" and given == APPLY_PATCH):
        accepted = f"accepted media types include: {', '.join(_ACCEPTED)}"
        raise status_errors.unsupported_media_type(f"the body of the request was in an unknown format - {accepted}")
    return given


def _from_protobuf(body: bytes) -> dict[str, Any]:
    try:
        return protobuf.decode(body)
    except protobuf.ProtobufError as error:
        raise status_errors.bad_request(f"the body of the request is not protobuf of Kubernetes: {error}") from None


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
