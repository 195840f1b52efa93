"""`.../pods/{name}/exec` and `/attach`: the kubelet prepares; podrun's own client then gets its streams from the pod's
shim, by a ticket, and any other over a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import web

from podrun.api import field_errors, objects, status_errors
from podrun.server import answers, containers, context, remote_command, resources
from podrun.server.node_agent import ExecTicket
from podrun.server.remote_command import Wanted

STREAM_HEADER = "X-Podrun-Stream"


@dataclass(frozen=True, slots=True)
class _Wish:
    pod: objects.Pod
    container: str
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def execute(request: web.Request) -> web.StreamResponse:
    wish = _read(request)
    command = tuple(request.query.getall("command", []))
    if not command:
        wrong = field_errors.required("command")
        raise status_errors.invalid("PodExecOptions", "", [wrong])
    containers.check_exec(wish.pod, wish.container)
    _check_streams(request, wish)
    ticket = await context.of(request).agent.prepare_exec(
        wish.pod,
        wish.container,
        command,
        stdin=wish.stdin,
        stdout=wish.stdout,
        stderr=wish.stderr,
        tty=wish.tty,
    )
    wanted = Wanted(wish.stdin, wish.stdout, wish.stderr, wish.tty, what="executing command in", passes_code=True)
    return await _answer(request, ticket, wanted)


async def attach(request: web.Request) -> web.StreamResponse:
    wish = _read(request)
    containers.check_exec(wish.pod, wish.container, "attach")
    _check_streams(request, wish)
    ticket = await context.of(request).agent.prepare_attach(
        wish.pod, wish.container, stdin=wish.stdin, stdout=wish.stdout, stderr=wish.stderr
    )
    wanted = Wanted(wish.stdin, wish.stdout, wish.stderr, wish.tty, what="attaching to", passes_code=False)
    return await _answer(request, ticket, wanted)


def _read(request: web.Request) -> _Wish:
    pod = resources.existing_pod(request)
    container = containers.choose(pod, request.query.get("container", ""))
    stdin, stdout, stderr, tty = (context.boolean(request, name) for name in ("stdin", "stdout", "stderr", "tty"))
    return _Wish(pod, container, stdin, stdout, stderr and not tty, tty)


def _check_streams(request: web.Request, wish: _Wish) -> None:
    """StatusError: none is asked for, or in a way that is not spoken here."""
    if not (wish.stdin or wish.stdout or wish.stderr):
        raise status_errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if not (_is_own(request) or remote_command.is_asked_for(request)):
        raise not_upgraded(request)


def not_upgraded(request: web.Request) -> status_errors.StatusError:
    """For a client that asks for streams in no way that is spoken here."""
    if request.headers.get("Upgrade", "").lower().startswith("spdy"):
        return status_errors.bad_request(
            "unable to upgrade: SPDY is not supported, only WebSockets, as kubectl 1.31 and later speak them"
        )
    return status_errors.bad_request("Upgrade request required")


def _is_own(request: web.Request) -> bool:
    return request.headers.get(STREAM_HEADER) == "shim"


async def _answer(request: web.Request, ticket: ExecTicket, wanted: Wanted) -> web.StreamResponse:
    """The streams, or the shim's socket and a token."""
    if not _is_own(request):
        return await remote_command.serve(request, ticket, wanted)
    body = msgspec.json.encode({"socket": ticket.socket, "token": ticket.token})
    return web.Response(body=body, content_type=answers.JSON)
