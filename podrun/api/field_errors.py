"""One error of one field, worded and formatted as Kubernetes' field.Error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec


class ErrorType(Enum):
    """The words a user reads; `cause` is the reason in a Status."""

    NOT_FOUND = "Not found"
    REQUIRED = "Required value"
    DUPLICATE = "Duplicate value"
    INVALID = "Invalid value"
    NOT_SUPPORTED = "Unsupported value"
    FORBIDDEN = "Forbidden"
    TOO_LONG = "Too long"
    TOO_MANY = "Too many"

    @property
    def cause(self) -> str:
        return _CAUSES[self]


_CAUSES = {
    ErrorType.NOT_FOUND: "FieldValueNotFound",
    ErrorType.REQUIRED: "FieldValueRequired",
    ErrorType.DUPLICATE: "FieldValueDuplicate",
    ErrorType.INVALID: "FieldValueInvalid",
    ErrorType.NOT_SUPPORTED: "FieldValueNotSupported",
    ErrorType.FORBIDDEN: "FieldValueForbidden",
    ErrorType.TOO_LONG: "FieldValueTooLong",
    ErrorType.TOO_MANY: "FieldValueTooMany",
}
_WITHOUT_VALUE = {ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG}


@dataclass(frozen=True, slots=True)
class FieldError:
    """`path: Type: value: detail`."""

    path: str
    type: ErrorType
    value: Any = None
    detail: str = ""

    def body(self) -> str:
        """The message without the path."""
        parts = [self.type.value]
        if self.type not in _WITHOUT_VALUE:
            parts.append(value_text(self.value))
        if self.detail:
            parts.append(self.detail)
        return ": ".join(parts)

    def __str__(self) -> str:
        return f"{self.path}: {self.body()}"


def value_text(value: Any) -> str:
    """A value in a message: strings quoted, numbers plain, anything larger as JSON."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case None:
            return "null"
        case _:
            return msgspec.json.encode(value).decode()


def required(path: str, detail: str = "") -> FieldError:
    return FieldError(path, ErrorType.REQUIRED, "", detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError(path, ErrorType.INVALID, value, detail)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(path, ErrorType.DUPLICATE, value)


def not_found(path: str, value: Any) -> FieldError:
    return FieldError(path, ErrorType.NOT_FOUND, value)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    choices = ", ".join(value_text(choice) for choice in supported)
    return FieldError(path, ErrorType.NOT_SUPPORTED, value, f"supported values: {choices}" if choices else "")


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(path, ErrorType.FORBIDDEN, "", detail)


def too_long(path: str, limit: int) -> FieldError:
    return FieldError(path, ErrorType.TOO_LONG, "", f"may not be more than {limit} bytes")


def too_many(path: str, count: int, limit: int) -> FieldError:
    items = "item" if limit == 1 else "items"
    return FieldError(path, ErrorType.TOO_MANY, count, f"must have at most {limit} {items}")


def aggregate(errors: Iterable[FieldError]) -> str:
    """Several errors in one line, each once: `[a, b]`; a single one without brackets."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
