"""`/podrun/v1/.../pods/{name}/files`: files of a container as a tar archive, out of it (GET) and into it (PUT)."""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.api import objects, status_errors
from podrun.errors import PodrunError
from podrun.server import answers, containers, context, resources
from podrun.server.node_agent import FileWork

KIND_HEADER = "X-Podrun-Kind"


async def read(request: web.Request) -> web.StreamResponse:
    """An archive whose first entry is `.`; X-Podrun-Kind says whether that is a file or a directory."""
    server = context.of(request)
    work = await server.agent.start_file_work(*_container(request), "read", _path(request))
    try:
        kind = await _verdict(work)
        headers = {"Content-Type": "application/x-tar", KIND_HEADER: str(kind["kind"])}
        response = web.StreamResponse(headers=headers)
        with server.streaming():
            await response.prepare(request)
            while piece := await work.read():
                await response.write(piece)
        await response.write_eof()
        return response
    finally:
        await work.end()


async def write(request: web.Request) -> web.StreamResponse:
    """`name` is what the copy is called if `path` is a directory; `owner` UID:GID, or empty for that of the archive."""
    server = context.of(request)
    name = request.query.get("name", "")
    if "/" in name or name in ("", ".", ".."):
        raise status_errors.bad_request(f'cannot copy to a file called "{name}"')
    owner = request.query.get("owner", "")
    if owner and not all(part.isdecimal() for part in owner.split(":", 1)):
        raise status_errors.bad_request(f'the query parameter owner must be UID:GID, not "{owner}"')
    work = await server.agent.start_file_work(*_container(request), "write", _path(request), name, owner)
    try:
        async for piece in request.content.iter_chunked(1 << 18):
            await work.write(piece)
        work.finish_writing()
        await _verdict(work)
        return web.Response(body=msgspec.json.encode({}), content_type=answers.JSON)
    finally:
        await work.end()


async def _verdict(work: FileWork) -> dict[str, object]:
    try:
        return await work.verdict()
    except PodrunError as error:
        raise status_errors.bad_request(error.message) from None


def _container(request: web.Request) -> tuple[objects.Pod, str]:
    pod = resources.existing_pod(request)
    container = containers.choose(pod, request.query.get("container", ""))
    containers.check_exec(pod, container)
    return pod, container


def _path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path or "\0" in path:
        raise status_errors.bad_request("cannot copy: no path is given")
    return path
