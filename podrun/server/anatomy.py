"""`/podrun/v1/.../pods/{name}/anatomy`: a pod, and what it is made of as the kernel has it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.api import kinds
from podrun.server import answers, context, resources


async def read(request: web.Request) -> web.StreamResponse:
    """`anatomy` is null for a pod that this machine has not begun with."""
    pod = resources.existing_pod(request)
    seen = await context.of(request).agent.anatomy(pod)
    body = msgspec.json.encode({"pod": msgspec.Raw(kinds.to_json(pod)), "anatomy": seen})
    return web.Response(body=body, content_type=answers.JSON)
