"""Runs lifecycle hooks, postStart and preStop. When they are due, and what a failure leads to, is pod_life.py's.

Rules: pkg/kubelet/lifecycle/handlers.go. A hook has no time limit of its own: who runs it may cancel it, and a command
is then killed with its children.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from podrun.api import objects
from podrun.kubelet import execution, probe_targets, shim_session
from podrun.probe import http_client
from podrun.probe.http_request import Request

Emit = Callable[[str, str], None]
"""Reason and message of a Warning."""


class HookFailed(Exception):
    """Why, as the kubelet logs it; events say only that it failed, since the answer may hold secrets."""


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Where a hook runs: the running container, its pod (NAME_NAMESPACE(UID)) and the pod's address."""

    container: objects.Container
    pod: str
    address: str


async def carry_out(handler: objects.LifecycleHandler, place: HookPlace, run: execution.Run, emit: Emit) -> None:
    """Returns when the hook has succeeded. Raises HookFailed."""
    if handler.exec is not None:
        await _execute(handler.exec, place, run)
    elif handler.http_get is not None:
        await _get(handler.http_get, place, emit)
    elif handler.sleep is not None:
        await asyncio.sleep(handler.sleep.seconds)
    else:  # tcpSocket passes validation and was never carried out
        raise HookFailed("Cannot run handler: invalid handler")


async def _execute(action: objects.ExecAction, place: HookPlace, run: execution.Run) -> None:
    output = b""
    try:
        finished = await run(place.container.name, action.command)
        output = finished.output
        failure = f"command '{' '.join(action.command)}' exited with {finished.code}" if finished.code else ""
    except shim_session.NotRun as error:
        failure = str(error)
    if failure:
        hook = f"Exec lifecycle hook ([{' '.join(action.command)}]) {_where(place)}"
        raise HookFailed(f'{hook} failed - error: {failure}, message: "{output.decode(errors="replace")}"')


async def _get(action: objects.HTTPGetAction, place: HookPlace, emit: Emit) -> None:
    """Any answer will do, whatever its status."""
    try:
        concrete = action if action.port != "" else msgspec.structs.replace(action, port=80)
        await _ask(probe_targets.of_http(concrete, place.container, place.address, "lifecycle"), emit)
    except (probe_targets.UnknownPort, http_client.RequestFailed) as error:
        raise HookFailed(f"HTTP lifecycle hook ({action.path}) {_where(place)} failed - error: {error}") from error


async def _ask(request: Request, emit: Emit) -> None:
    try:
        await _answered(request)
    except http_client.RequestFailed as error:
        if not error.plain_http:
            raise
        headers = tuple(header for header in request.headers if header[0] != "Authorization")
        try:
            await _answered(replace(request, scheme="http", headers=headers))
        except http_client.RequestFailed:
            raise error from None
        words = f"request to HTTPS lifecycle hook {request.authority} got HTTP response, retry with HTTP succeeded"
        emit("LifecycleHTTPFallback", words)


async def _answered(request: Request) -> None:
    with contextlib.suppress(http_client.BodyFailed):  # the answer itself has come
        await http_client.get(request, timeout=None)


def _where(place: HookPlace) -> str:
    return f'for Container "{place.container.name}" in Pod "{place.pod}"'
