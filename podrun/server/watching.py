"""`watch=1`: one JSON object a line for each change, with bookmarks where they are asked for."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from podrun.api import kinds, objects, status_errors
from podrun.server import answers, context, failures, resources, selection
from podrun.store import ExpiredError, Watch, WatchEvent

BOOKMARK_SECONDS = 60.0


async def watch(request: web.Request, kind: kinds.Kind) -> web.StreamResponse:
    server = context.of(request)
    stream = Stream(request, kind, selection.of(request, kind))
    seconds = context.integer(request, "timeoutSeconds")
    since = _since(request)
    namespace = request.match_info.get("namespace")
    with server.streaming(), server.store.watch(resources.type_of(kind), namespace, since) as changes:
        response = web.StreamResponse(headers={"Content-Type": "application/json;stream=watch"})
        await response.prepare(request)
        try:
            async with asyncio.timeout(seconds or None):
                await stream.run(response, changes)
        except TimeoutError:
            pass
        except ExpiredError as error:
            expired = failures.status(status_errors.expired(error.message))
            await response.write(_line("ERROR", kinds.to_json(expired)))
    await response.write_eof()
    return response


def _since(request: web.Request) -> int | None:
    text = request.query.get("resourceVersion", "")
    if text in ("", "0"):
        return None
    if not text.isdecimal():
        raise status_errors.bad_request(f'invalid resource version "{text}"')
    return int(text)


class Stream:
    """Turns the store's changes into lines."""

    def __init__(self, request: web.Request, kind: kinds.Kind, wanted: selection.Selection) -> None:
        self._request = request
        self._kind = kind
        self._wanted = wanted
        self._as_table = answers.wants_table(request)
        self._bookmarks = context.boolean(request, "allowWatchBookmarks")

    async def run(self, response: web.StreamResponse, changes: Watch[objects.Object]) -> None:
        """Until the store closes or the client goes. ExpiredError: the client was too slow."""
        while True:
            try:
                async with asyncio.timeout(BOOKMARK_SECONDS if self._bookmarks else None):
                    change = await anext(changes, None)
            except TimeoutError:
                await response.write(self._bookmark(changes.resource_version))
                continue
            if change is None:
                return
            lines = []
            while change is not None:
                lines.append(self._change(change))
                change = changes.take()
            if text := b"".join(lines):
                await response.write(text)

    def _change(self, change: WatchEvent[objects.Object]) -> bytes:
        """A change as a watcher sees it that knows only of selected objects."""
        is_wanted = self._wanted(change.object)
        was_wanted = change.previous is not None and self._wanted(change.previous)
        match change.type, was_wanted, is_wanted:
            case "DELETED", True, _:
                type_ = "DELETED"
            case "DELETED", False, _:
                return b""
            case _, False, True:
                type_ = "ADDED"
            case _, True, True:
                type_ = "MODIFIED"
            case _, True, False:
                type_ = "DELETED"
            case _:
                return b""
        return _line(type_, self._encoded(change.object))

    def _encoded(self, stored: objects.Object) -> bytes:
        if not self._as_table:
            return kinds.to_json(stored)
        now = context.of(self._request).clock()
        return answers.table(self._request, self._kind, [stored], stored.metadata.resource_version, now)

    def _bookmark(self, version: int) -> bytes:
        if self._as_table:
            now = context.of(self._request).clock()
            return _line("BOOKMARK", answers.table(self._request, self._kind, [], str(version), now))
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        bookmark = {"kind": self._kind.name, "apiVersion": self._kind.api_version, "metadata": metadata}
        return _line("BOOKMARK", msgspec.json.encode(bookmark))


def _line(type_: str, encoded: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), encoded)
