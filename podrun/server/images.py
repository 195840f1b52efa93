"""/podrun/v1/images: what the node has, importing, loading, removing. Kubernetes has no words for these."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from podrun.api import status_errors
from podrun.errors import PodrunError
from podrun.server import answers, bodies, context
from podrun.server.node_agent import ImportRequest


async def listing(request: web.Request) -> web.StreamResponse:
    return _answer({"images": await context.of(request).agent.image_list()})


async def import_(request: web.Request) -> web.StreamResponse:
    body = await bodies.read_json(request)
    wish = ImportRequest(
        path=_path(body),
        name=_text(body, "name"),
        cmd=_texts(body, "cmd"),
        entrypoint=_texts(body, "entrypoint"),
        env=_texts(body, "env"),
        user=_text(body, "user"),
        working_dir=_text(body, "workingDir"),
    )
    if not wish.name:
        raise status_errors.bad_request("name: Required value")
    with refusals():
        return _answer({"image": await context.of(request).agent.image_import(wish)})


async def load(request: web.Request) -> web.StreamResponse:
    path = _path(await bodies.read_json(request))
    with refusals():
        return _answer({"images": await context.of(request).agent.image_load(path)})


async def remove(request: web.Request) -> web.StreamResponse:
    name = request.query.get("name", "")
    if not name:
        raise status_errors.bad_request("name: Required value")
    with refusals():
        return _answer(await context.of(request).agent.image_remove(name))


async def inspect(request: web.Request) -> web.StreamResponse:
    with refusals():
        return _answer(await context.of(request).agent.image_transport.inspect(request.query.get("name", "")))


async def tag(request: web.Request) -> web.StreamResponse:
    body = await bodies.read_json(request)
    names = required(body, "source"), required(body, "name")
    with refusals():
        return _answer({"image": await context.of(request).agent.image_transport.tag(*names)})


async def prune(request: web.Request) -> web.StreamResponse:
    with refusals():
        all = context.boolean(request, "all")
        return _answer({"images": await context.of(request).agent.image_transport.prune(named_too=all)})


async def log_in(request: web.Request) -> web.StreamResponse:
    body = await bodies.read_json(request)
    registry, username, password = (required(body, key) for key in ("registry", "username", "password"))
    with refusals():
        await context.of(request).agent.image_transport.log_in(registry, username, password)
    return _answer({})


async def log_out(request: web.Request) -> web.StreamResponse:
    registry = required(await bodies.read_json(request), "registry")
    with refusals():
        await context.of(request).agent.image_transport.log_out(registry)
    return _answer({})


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """A PodrunError about an image is the client's to heal: 422, with its own words."""
    try:
        yield
    except status_errors.StatusError:
        raise
    except PodrunError as error:
        raise status_errors.StatusError(422, "Invalid", error.message, hint=error.hint) from error


def _answer(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=answers.JSON)


def _path(body: dict[str, Any]) -> Path:
    path = Path(_text(body, "path"))
    if not path.is_absolute():
        raise status_errors.bad_request(f'path: Invalid value: "{path}": must be absolute')
    return path


def required(body: dict[str, Any], key: str) -> str:
    text = _text(body, key)
    if not text:
        raise status_errors.bad_request(f"{key}: Required value")
    return text


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key, "")
    if not isinstance(value, str):
        raise status_errors.bad_request(f"{key}: must be a string")
    return value


def _texts(body: dict[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise status_errors.bad_request(f"{key}: must be a list of strings")
    return tuple(value)
