"""Keeps web pages out.

The API asks nobody who they are. Where a proxy leads from TCP to the socket, a browser would carry the requests of any
page to it: WebSockets from anywhere, everything else from a name that was made to lead here.
"""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from podrun.api import status_errors
from podrun.server.failures import Handler

_NAMES = ("podrun", "localhost")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")


@web.middleware
async def refuse_foreign(request: web.Request, handler: Handler) -> web.StreamResponse:
    """StatusError, 403."""
    reason = objection(request.headers.get("Host"), request.headers.get("Origin"))
    if reason:
        raise status_errors.StatusError(403, "Forbidden", f"requests of web pages are not taken: {reason}")
    return await handler(request)


def objection(host: str | None, origin: str | None) -> str:
    """What is wrong with a request; nothing for those of programs, which name an address and at most that as origin.

    A page has the origin it came from; where its own name was made to lead to this machine, that is the host.
    """
    if host and not _is_here(host):
        return f'the host "{host}" is neither an address nor localhost'
    if origin and origin.partition("://")[2] != host:
        return f'their origin is "{origin}"'
    return ""


def _is_here(host: str) -> bool:
    found = _HOST.fullmatch(host)
    name = found[1].lower() if found else ""
    if name in _NAMES:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
