"""A refused request in kubectl's words (pkg/cmd/util, StandardErrorMessage and checkErr)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

HINT = "Hint"
"""Reason of the cause in which the kubelet sends a hint."""


class UsageError(PodrunError):
    """The command line can't be understood."""


class QuietFailureError(PodrunError):
    """Everything has been said: only the exit code is left to give."""

    def __init__(self, code: int = 1) -> None:
        super().__init__("")
        self.code = code


class StatusFailure(PodrunError):
    """The server's refusal; `doing` says what was tried, as in `error when creating "pod.yaml"`."""

    def __init__(self, status: dict[str, Any], doing: str = "") -> None:
        details = status.get("details") or {}
        causes = [cause for cause in details.get("causes") or [] if cause.get("reason") != HINT]
        hints = [cause.get("message", "") for cause in details.get("causes") or [] if cause.get("reason") == HINT]
        super().__init__(plain(_message(status, details, causes, doing)), hints[0] if hints else None)
        self.status = status
        self.reason: str = status.get("reason") or ""

    @classmethod
    def of_answer(cls, code: int, body: bytes) -> StatusFailure:
        """What an HTTP error answer says, Status or not."""
        try:
            status = json.loads(body)
        except ValueError:
            status = None
        if not isinstance(status, dict) or status.get("kind") != "Status":
            text = body.decode(errors="replace").strip() or f"the server answered with HTTP status {code}"
            status = {"kind": "Status", "code": code, "message": text}
        return cls(status)

    def during(self, doing: str) -> StatusFailure:
        """The same, said together with what was tried."""
        return StatusFailure(self.status, doing)


def not_found(plural: str, name: str) -> StatusFailure:
    return StatusFailure({"kind": "Status", "reason": "NotFound", "message": f'{plural} "{name}" not found'})


def _message(status: dict[str, Any], details: dict[str, Any], causes: Sequence[dict[str, Any]], doing: str) -> str:
    reason, text = status.get("reason") or "", status.get("message") or ""
    if reason == "Invalid" and (causes or details.get("kind")):
        return _invalid(text, details, causes)
    said = f"{doing}: {text}" if doing else text
    return f"Error from server ({reason}): {said}" if reason else f"Error from server: {said}"


def _invalid(text: str, details: dict[str, Any], causes: Sequence[dict[str, Any]]) -> str:
    kind, name = details.get("kind") or "", details.get("name") or ""
    start = f'The {kind} "{name}" is invalid' if kind or name else "The request is invalid"
    problems = list(dict.fromkeys(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes))
    match problems:
        case []:
            return start if kind or name else f"{start}: {text}"
        case [only]:
            return f"{start}: {only}"
        case several:
            return "\n".join([f"{start}: ", *(f"* {one}" for one in several)])
