"""`.../pods/{name}/portforward`: a connection made inside the pod, given to the client as a descriptor."""

from __future__ import annotations

import asyncio
import os
import socket

from aiohttp import web

from podrun.api import status_errors
from podrun.errors import PodrunError
from podrun.server import context, execution, resources

HANDED_OVER = b"\n"


async def forward(request: web.Request) -> web.StreamResponse:
    """One connection for each request; the client copies. kubectl's own streams are not spoken here."""
    server = context.of(request)
    pod = resources.existing_pod(request)
    if request.headers.get(execution.STREAM_HEADER) != "descriptor":
        message = f"only streams of the kind {execution.STREAM_HEADER}: descriptor are supported"
        raise status_errors.StatusError(501, "NotImplemented", message)
    port = context.integer(request, "port", options="PodPortForwardOptions", least=1)
    if port is None or port > 65535:
        raise status_errors.bad_request("the query parameter port must be given once, from 1 to 65535")
    if pod.status.phase != "Running":
        message = f"unable to forward port because pod is not running. Current status={pod.status.phase}"
        raise status_errors.bad_request(message)
    try:
        connection = await server.agent.dial(pod, port)
    except PodrunError as error:
        raise status_errors.StatusError(503, "ServiceUnavailable", error.message) from None
    try:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        await response.write(HANDED_OVER)
        await _hand_over(request, connection)
        return response
    finally:
        connection.close()


async def _hand_over(request: web.Request, connection: socket.socket) -> None:
    """After the head, on the same unix socket."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    while transport.get_write_buffer_size() and not transport.is_closing():
        await asyncio.sleep(0.001)
    own = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    with own:
        socket.send_fds(own, [HANDED_OVER], [connection.fileno()])
