"""`.../pods/{name}/exec` and `/attach`: the kubelet prepares, the shim hands streams to whoever shows the ticket."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import web

from podrun.api import field_errors, objects, status_errors
from podrun.server import answers, containers, context, resources
from podrun.server.node_agent import ExecTicket

STREAM_HEADER = "X-Podrun-Stream"


@dataclass(frozen=True, slots=True)
class _Wish:
    pod: objects.Pod
    container: str
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def prepare(request: web.Request) -> web.StreamResponse:
    wish = _read(request)
    command = tuple(request.query.getall("command", []))
    if not command:
        wrong = field_errors.required("command")
        raise status_errors.invalid("PodExecOptions", "", [wrong])
    containers.check_exec(wish.pod, wish.container)
    _check_streams(wish)
    ticket = await context.of(request).agent.prepare_exec(
        wish.pod,
        wish.container,
        command,
        stdin=wish.stdin,
        stdout=wish.stdout,
        stderr=wish.stderr,
        tty=wish.tty,
    )
    return _answer(ticket)


async def prepare_attach(request: web.Request) -> web.StreamResponse:
    wish = _read(request)
    containers.check_exec(wish.pod, wish.container, "attach")
    _check_streams(wish)
    ticket = await context.of(request).agent.prepare_attach(
        wish.pod, wish.container, stdin=wish.stdin, stdout=wish.stdout, stderr=wish.stderr
    )
    return _answer(ticket)


def _read(request: web.Request) -> _Wish:
    """StatusError: kubectl's own streams (SPDY, websocket) are not spoken here."""
    pod = resources.existing_pod(request)
    if request.headers.get(STREAM_HEADER) != "shim":
        message = f"only streams of the kind {STREAM_HEADER}: shim are supported"
        raise status_errors.StatusError(501, "NotImplemented", message)
    container = containers.choose(pod, request.query.get("container", ""))
    stdin, stdout, stderr, tty = (context.boolean(request, name) for name in ("stdin", "stdout", "stderr", "tty"))
    return _Wish(pod, container, stdin, stdout, stderr, tty)


def _check_streams(wish: _Wish) -> None:
    if not (wish.stdin or wish.stdout or wish.stderr):
        raise status_errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")


def _answer(ticket: ExecTicket) -> web.Response:
    """The shim's socket and a token."""
    body = msgspec.json.encode({"socket": ticket.socket, "token": ticket.token})
    return web.Response(body=body, content_type=answers.JSON)
