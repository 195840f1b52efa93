"""Notices that a client is gone also while nothing is read from it."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Iterator

from aiohttp import web


@contextlib.contextmanager
def watched(request: web.Request) -> Iterator[asyncio.Future[None]]:
    """Done as soon as the other end of the connection was closed, whatever it has sent before."""
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    with select.epoll() as epoll:
        # A reader of the event loop would be called for each byte that waits; an epoll is readable itself, epoll(7).
        epoll.register(transport.get_extra_info("socket").fileno(), select.EPOLLRDHUP)
        loop.add_reader(epoll.fileno(), _end, gone, epoll)
        try:
            yield gone
        finally:
            loop.remove_reader(epoll.fileno())
            gone.cancel()


def _end(gone: asyncio.Future[None], epoll: select.epoll) -> None:
    asyncio.get_running_loop().remove_reader(epoll.fileno())
    if not gone.done():
        gone.set_result(None)
