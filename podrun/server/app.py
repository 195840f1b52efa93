"""The API server as an aiohttp application."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from podrun.paths import Paths
from podrun.server import failures, negotiation, origins, routes
from podrun.server.context import CONTEXT, Context
from podrun.server.node_agent import NodeAgent
from podrun.store import Store


def make_app(
    store: Store, agent: NodeAgent, paths: Paths, *, clock: Callable[[], float] = time.time
) -> web.Application:
    """`clock` gives Unix time in seconds."""
    app = web.Application(
        middlewares=[failures.answer_errors, origins.refuse_foreign, negotiation.refuse_unacceptable],
        client_max_size=failures.MAX_BODY,
    )
    app[CONTEXT] = Context(store, agent, paths, clock)
    for method, path, function in routes.ROUTES:
        if method == "GET":
            app.router.add_get(path, function, allow_head=False)
        else:
            app.router.add_route(method, path, function)
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    app[CONTEXT].end_streams()
