"""`.../pods/{name}/exec`: the kubelet prepares the command, the shim runs it for whoever shows the ticket."""

from __future__ import annotations

import msgspec
from aiohttp import web

from podrun.api import field_errors, status_errors
from podrun.server import answers, containers, context, resources

STREAM_HEADER = "X-Podrun-Stream"


async def prepare(request: web.Request) -> web.StreamResponse:
    """Answers with the shim's socket and a token. kubectl's own streams (SPDY, websocket) are not spoken here."""
    server = context.of(request)
    pod = resources.existing_pod(request)
    if request.headers.get(STREAM_HEADER) != "shim":
        message = f"only streams of the kind {STREAM_HEADER}: shim are supported"
        raise status_errors.StatusError(501, "NotImplemented", message)
    container = containers.choose(pod, request.query.get("container", ""))
    command = tuple(request.query.getall("command", []))
    if not command:
        wrong = field_errors.required("command")
        raise status_errors.invalid("PodExecOptions", "", [wrong])
    containers.check_exec(pod, container)
    stdin, stdout, stderr, tty = (context.boolean(request, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise status_errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    ticket = await server.agent.prepare_exec(
        pod, container, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
    )
    body = msgspec.json.encode({"socket": ticket.socket, "token": ticket.token})
    return web.Response(body=body, content_type=answers.JSON)
