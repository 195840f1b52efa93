"""The API's errors: each carries the Status (meta/v1) that the server answers with."""

from __future__ import annotations

from collections.abc import Sequence

from podrun.api import field_errors
from podrun.api.objects import Status, StatusCause, StatusDetails
from podrun.errors import PodrunError


class StatusError(PodrunError):
    """An error with its place in Kubernetes' API: HTTP code, reason, details."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: StatusDetails | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.reason = reason
        self.details = details

    def status(self) -> Status:
        """The object to answer with."""
        return Status(status="Failure", message=self.message, reason=self.reason, details=self.details, code=self.code)


def bad_request(message: str, causes: Sequence[StatusCause] = ()) -> StatusError:
    return StatusError(400, "BadRequest", message, StatusDetails(causes=tuple(causes)) if causes else None)


def invalid(kind: str, name: str, errors: Sequence[field_errors.FieldError]) -> StatusError:
    """An object that does not pass validation: `Pod "web" is invalid: ...`."""
    causes = tuple(StatusCause(reason=error.type.cause, message=error.body(), field=error.path) for error in errors)
    message = f'{kind} "{name}" is invalid: {field_errors.aggregate(errors)}'
    return StatusError(422, "Invalid", message, StatusDetails(name=name, kind=kind, causes=causes))


def not_found(resource: str, name: str) -> StatusError:
    """`resource` is the plural: `pods "web" not found`."""
    return StatusError(404, "NotFound", f'{resource} "{name}" not found', StatusDetails(name=name, kind=resource))


def path_not_found() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", StatusDetails())


_MAKE_PODS = ("CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet")


def no_such_kind(kind: str, api_version: str) -> StatusError:
    message = f'no matches for kind "{kind}" in version "{api_version}"'
    hint = "podrun api-resources lists the kinds that podrun knows"
    if kind in _MAKE_PODS:
        hint = f"podrun runs Pods alone: the template of a {kind} is one, when it gets kind: Pod and a name"
    elif kind in ("Service", "Ingress"):
        hint = "podrun has no Services: a pod is reached at its address, by podrun port-forward or a hostPort"
    return StatusError(404, "NotFound", message, StatusDetails(kind=kind), hint)


def already_exists(resource: str, name: str) -> StatusError:
    details = StatusDetails(name=name, kind=resource)
    return StatusError(409, "AlreadyExists", f'{resource} "{name}" already exists', details)


def conflict(resource: str, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, StatusDetails(name=name, kind=resource))


def forbidden(resource: str, name: str, why: str) -> StatusError:
    message = f'{resource} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", message, StatusDetails(name=name, kind=resource))


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, StatusDetails())


def expired(message: str) -> StatusError:
    """A watch or list from a point that history no longer holds."""
    return StatusError(410, "Expired", message)


def too_large(limit: int) -> StatusError:
    """`limit` in bytes."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def not_acceptable(offered: Sequence[str]) -> StatusError:
    message = f"only the following media types are accepted: {', '.join(offered)}"
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def internal_error(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")
