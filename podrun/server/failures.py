"""Every exception becomes a Status of meta/v1: the only place that turns errors into HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec.structs import replace

from podrun.api import kinds, objects, status_errors
from podrun.api.status_errors import StatusError
from podrun.errors import PodrunError
from podrun.store import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    StoreError,
)

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY = 3 * 1024 * 1024
"""Bytes; what kube-apiserver takes in one request."""

HINT = "Hint"
"""Reason of the cause that carries the hint of a PodrunError."""


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as Status; and a request that changes something is carried out even if its client hangs up meanwhile."""
    try:
        if request.method == "GET":
            return await handler(request)
        return await asyncio.shield(asyncio.ensure_future(handler(request)))
    except Exception as error:
        if request.transport is None or request.transport.is_closing():
            if isinstance(error, ConnectionError):  # It hung up, which is no failure to be logged.
                return web.Response()
            raise
        if request.writer.output_size:
            logger.error("%s %s failed half-way", request.method, request.path, exc_info=error)
            raise  # It is too late for a status: aiohttp cuts the connection.
        refusal = as_status_error(error, request)
        return web.Response(
            body=kinds.to_json(status(refusal)), status=refusal.code, headers={"Content-Type": "application/json"}
        )


def as_status_error(error: Exception, request: web.Request) -> StatusError:
    match error:
        case StatusError():
            return error
        case StoreError():
            return _of_store(error)
        case web.HTTPNotFound():
            return status_errors.path_not_found()
        case web.HTTPMethodNotAllowed():
            return status_errors.method_not_allowed()
        case web.HTTPRequestEntityTooLarge():
            return status_errors.too_large(MAX_BODY)
        case web.HTTPException():
            return StatusError(error.status, error.reason.replace(" ", ""), error.reason)
        case PodrunError():
            return StatusError(500, "InternalError", error.message, hint=error.hint)
        case _:
            logger.error("%s %s failed", request.method, request.path, exc_info=error)
            return status_errors.internal_error(f"{type(error).__name__}; the kubelet's log says more")


def status(error: StatusError) -> objects.Status:
    """The error's Status, its hint among the causes."""
    plain = error.status()
    if not error.hint:
        return plain
    details = plain.details or objects.StatusDetails()
    hint = objects.StatusCause(reason=HINT, message=error.hint)
    return replace(plain, details=replace(details, causes=(*details.causes, hint)))


def _of_store(error: StoreError) -> StatusError:
    match error:
        case NotFoundError():
            return status_errors.not_found(_plural(error.kind), error.name)
        case AlreadyExistsError() if error.being_deleted:
            refusal = status_errors.already_exists(_plural(error.kind), error.name)
            return StatusError(refusal.code, refusal.reason, f"object is being deleted: {refusal}", refusal.details)
        case AlreadyExistsError():
            return status_errors.already_exists(_plural(error.kind), error.name)
        case ConflictError():
            return status_errors.conflict(_plural(error.kind), error.name, error.why)
        case ExpiredError():
            return status_errors.expired(error.message)
        case _:
            return StatusError(500, "InternalError", error.message, hint=error.hint)


def _plural(kind: str) -> str:
    found = kinds.find("v1", kind)
    return found.plural if found else kind.lower()
