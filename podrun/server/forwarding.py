"""`.../pods/{name}/portforward`: connections made inside the pod. podrun's own client gets each as a descriptor;
kubectl sends and receives their bytes through a tunnel."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial

from aiohttp import web

from podrun.api import objects, status_errors
from podrun.errors import PodrunError
from podrun.server import context, execution, port_tunnel, remote_command, resources

HANDED_OVER = b"\n"


async def forward(request: web.Request) -> web.StreamResponse:
    pod = resources.existing_pod(request)
    if request.headers.get(execution.STREAM_HEADER) == "descriptor":
        return await _give(request, pod)
    _check_runs(pod)
    if not remote_command.is_asked_for(request):
        raise execution.not_upgraded(request)
    dial = partial(context.of(request).agent.dial, pod)
    return await port_tunnel.serve(request, f"{pod.metadata.name}, uid {pod.metadata.uid}", dial)


def _check_runs(pod: objects.Pod) -> None:
    if pod.status.phase != "Running":
        message = f"unable to forward port because pod is not running. Current status={pod.status.phase}"
        raise status_errors.bad_request(message)


async def _give(request: web.Request, pod: objects.Pod) -> web.StreamResponse:
    """One connection for each request; the client copies."""
    port = context.integer(request, "port", options="PodPortForwardOptions", least=1)
    if port is None or port > 65535:
        raise status_errors.bad_request("the query parameter port must be given once, from 1 to 65535")
    _check_runs(pod)
    try:
        connection = await context.of(request).agent.dial(pod, port)
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
