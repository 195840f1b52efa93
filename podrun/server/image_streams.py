"""/podrun/v1/images/pull and save: answers that take their time. A pull tells lines of JSON, its outcome last."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from podrun.errors import PodrunError
from podrun.server import bodies, context, images


async def pull(request: web.Request) -> web.StreamResponse:
    """`{"progress": …}` now and then, at last `{"image": …}` or `{"error": …, "hint": …}`. Who hangs up ends it."""
    server = context.of(request)
    name = images.required(await bodies.read_json(request), "name")
    news: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    def tell(fetched: int, total: int, unpacked: int, layers: int) -> None:
        shown = {"fetched": fetched, "total": total, "unpacked": unpacked, "layers": layers}
        news.put_nowait({"progress": shown})

    async def work() -> None:
        try:
            news.put_nowait({"image": await server.agent.image_transport.pull(name, tell)})
        except PodrunError as error:
            news.put_nowait({"error": error.message, "hint": error.hint})

    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    with server.streaming():
        await response.prepare(request)
        working = asyncio.create_task(work())
        try:
            last: dict[str, object] = {}
            while "progress" in last or not last:
                last = await _next(request, working, news)
                await response.write(msgspec.json.encode(last) + b"\n")
        except ConnectionError:
            return response  # the client is gone
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    await response.write_eof()
    return response


async def _next(
    request: web.Request, working: asyncio.Task[None], news: asyncio.Queue[dict[str, object]]
) -> dict[str, object]:
    """ConnectionError: the client is gone."""
    while True:
        try:
            return await asyncio.wait_for(news.get(), 0.5)
        except TimeoutError:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError from None
            if working.done():
                working.result()


async def save(request: web.Request) -> web.StreamResponse:
    """The tar. One that fails on the way lacks its end."""
    server = context.of(request)
    with images.refusals():
        pieces = await server.agent.image_transport.save(request.query.getall("name", []))
    response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
    with server.streaming():
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response
