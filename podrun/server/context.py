"""What every request function gets beside the request: store, kubelet, settings; and typed reading of queries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from podrun.api import field_errors, status_errors
from podrun.paths import Paths
from podrun.server.log_changes import LogChanges
from podrun.server.node_agent import NodeAgent
from podrun.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """`clock` gives Unix time in seconds."""

    store: Store
    agent: NodeAgent
    paths: Paths
    clock: Callable[[], float]
    streams: set[asyncio.Task[object]] = field(default_factory=set)
    log_changes: LogChanges = field(default_factory=LogChanges)

    @contextlib.contextmanager
    def streaming(self) -> Iterator[None]:
        """Around an answer that may go on for ever: the server's end ends it."""
        task = asyncio.current_task()
        assert task is not None
        self.streams.add(task)
        try:
            yield
        finally:
            self.streams.discard(task)

    def end_streams(self) -> None:
        for task in self.streams:
            task.cancel()


CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)


def of(request: web.Request) -> Context:
    return request.app[CONTEXT]


def boolean(request: web.Request, name: str) -> bool:
    """A query parameter as apimachinery reads it: absent, empty, 0 and false are false."""
    return request.query.get(name, "0").lower() not in ("", "0", "f", "false")


def integer(request: web.Request, name: str, *, options: str = "ListOptions", least: int = 0) -> int | None:
    """A query parameter, None if absent. StatusError: no number, or below `least`."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        message = f'unable to decode query: strconv.ParseInt: parsing "{text}": invalid syntax'
        raise status_errors.bad_request(message) from None
    if number < least:
        wrong = field_errors.invalid(name, number, f"must be greater than or equal to {least}")
        raise status_errors.invalid(options, "", [wrong])
    return number
