"""Whether a client takes what it would be answered with: JSON."""

from __future__ import annotations

from aiohttp import web

from podrun.api import status_errors
from podrun.server.failures import Handler

ANSWERED = ("application/json", "application/json;stream=watch")
_ANY = frozenset(("application/json", "application/*", "*/*"))
_OBJECTS = ("/api/", "/apis/")
_STREAMS = ("/log", "/exec", "/attach", "/portforward")


@web.middleware
async def refuse_unacceptable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """StatusError, 406: it wants objects in another form alone."""
    path = request.path
    if path.startswith(_OBJECTS) and not path.endswith(_STREAMS) and not accepts_json(request.headers.get("Accept")):
        raise status_errors.not_acceptable(ANSWERED)
    return await handler(request)


def accepts_json(header: str | None) -> bool:
    """Parameters such as `as=Table` are wishes, which JSON alone fulfils too."""
    if not header:
        return True
    return any(choice.partition(";")[0].strip().lower() in _ANY for choice in header.split(","))
