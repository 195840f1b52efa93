"""A client of the API's WebSockets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp

Socket = aiohttp.ClientWebSocketResponse


@contextlib.asynccontextmanager
async def opened(
    server: Path, path: str, protocol: str, query: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[Socket]:
    """`server`: its unix socket."""
    directory = os.open(server.parent, os.O_PATH)
    connector = aiohttp.UnixConnector(f"/proc/self/fd/{directory}/{server.name}")
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(f"http://podrun{path}", params=query, protocols=[protocol]) as socket,
        ):
            assert socket.protocol == protocol
            yield socket
    finally:
        os.close(directory)
