"""Objects in Kubernetes' protobuf encoding, as kubectl sends some of them since 1.32, to plain JSON values. Pure.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf and the wire format of protobuf.dev. What a type does not
have becomes a field with its number for a name, which strict decoding then refuses.
"""

from __future__ import annotations

import base64
import types
import typing
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from podrun.api import explanations, kinds, objects, times
from podrun.api.objects.struct import IntOrString, KubeStruct, Marker
from podrun.api.protobuf_fields import FIELDS

MAGIC = b"k8s\x00"

_OPTIONS = {"DeleteOptions": objects.DeleteOptions}
"""Types that are sent and are no kinds of objects."""

Json = dict[str, Any]


class ProtobufError(ValueError):
    """Not in this encoding."""


def decode(body: bytes) -> Json:
    """The object, with its apiVersion and kind. ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError("it does not begin with k8s\\x00")
    whole = dict(_fields(body[len(MAGIC) :]))
    head = dict(_fields(_message(whole.get(1, b""))))
    api_version, kind = _text(head.get(1, b"")), _text(head.get(2, b""))
    found = kinds.find(api_version, kind)
    type_ = found.type if found else _OPTIONS.get(kind)
    content = _struct(_message(whole.get(2, b"")), type_) if type_ else {}
    return {**content, "apiVersion": api_version, "kind": kind}


def _struct(message: bytes, type_: type[KubeStruct], numbers: str = "") -> Json:
    """`numbers`: the name in FIELDS, where it is not that of the type."""
    hints, names = _hints(type_), FIELDS.get(numbers or type_.__name__, "").split()
    made: Json = {}
    for number, value in _fields(message):
        name = names[number - 1] if 0 < number <= len(names) else "-"
        if name.startswith("@"):
            made |= _struct(_message(value), type_, name[1:])
        elif name == "-":
            if value:  # Go writes what is empty, too
                made[f"#{number}"] = value
        else:
            _put(made, name, value, hints[name])
    return made


@lru_cache(maxsize=256)
def _hints(type_: type[KubeStruct]) -> dict[str, Any]:
    return explanations.fields_of(type_)


def _put(made: Json, name: str, value: bytes | int, hint: Any) -> None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and hint != IntOrString:
        present = tuple(one for one in arguments if one is not types.NoneType)
        hint = present[0] if len(present) == 1 else IntOrString
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        made.setdefault(name, []).append(_value(value, arguments[0]))
    elif origin is dict:
        entry = dict(_fields(_message(value)))
        made.setdefault(name, {})[_text(entry.get(1, b""))] = _value(entry.get(2, b""), arguments[1])
    else:
        made[name] = _value(value, hint)


def _value(value: bytes | int, hint: Any) -> Any:
    if hint == IntOrString:
        either = dict(_fields(_message(value)))
        return _text(either.get(3, b"")) if either.get(1) else _signed(either.get(2, 0))
    if typing.get_origin(hint) is typing.Annotated:
        return _marked(value, next(extra.go_type for extra in typing.get_args(hint) if isinstance(extra, Marker)))
    if isinstance(hint, type) and issubclass(hint, KubeStruct):
        return _struct(_message(value), hint)
    if hint is bool:
        return bool(_signed(value))
    return _signed(value) if hint is int else _text(value)


def _marked(value: bytes | int, go_type: str) -> Any:
    match go_type:
        case "resource.Quantity":
            return _text(dict(_fields(_message(value))).get(1, b""))
        case "v1.Time" | "v1.MicroTime":
            return _time(dict(_fields(_message(value))))
        case "[]uint8":
            return base64.b64encode(_message(value)).decode()
        case _:
            return _signed(value)


def _time(moment: dict[int, bytes | int]) -> str | None:
    """None: Go's zero time."""
    try:
        return times.rfc3339(_signed(moment.get(1, 0))) if moment else None
    except (OverflowError, ValueError, OSError):
        raise ProtobufError("a time that is too far away") from None


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each; a value is bytes or, of the wire type VARINT, a number."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                number, at = _varint(message, at)
                yield key >> 3, number
            case 2:
                length, at = _varint(message, at)
                if at + length > len(message):
                    raise ProtobufError("unexpected EOF")
                yield key >> 3, message[at : at + length]
                at += length
            case wire_type:
                raise ProtobufError(f"illegal wire type {wire_type}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number there, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ProtobufError("unexpected EOF")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (1 << 64) - 1, at
    raise ProtobufError("integer overflow")


def _signed(value: bytes | int) -> int:
    """Negative numbers are sent as 64 bits in two's complement."""
    if isinstance(value, bytes):
        raise ProtobufError("wrong wire type of a number")
    return value - (1 << 64) if value >> 63 else value


def _message(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("wrong wire type of a message")
    return value


def _text(value: bytes | int) -> str:
    try:
        return _message(value).decode()
    except UnicodeDecodeError:
        raise ProtobufError("a string that is not UTF-8") from None
