"""Plain values to typed objects, strictly: every unknown field and every wrong type is found, none stops the walk.

Texts are those of Go's decoder and the API server. The decoders of a type are made once, on first use.
"""

from __future__ import annotations

import base64
import binascii
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from podrun.api import quantity, times
from podrun.api.objects.struct import KubeStruct, Marker

S = TypeVar("S", bound=KubeStruct)

MAX_FINDINGS = 100
"""More than a reader wants, as in Kubernetes: what follows is not reported."""

_INTEGER_BOUNDS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
_INDEX = re.compile(r"\[[^\]]*\]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a field. `reason` is that of a StatusCause; `strict`: Go alone would let it pass."""

    path: str
    message: str
    reason: str
    strict: bool = False


@dataclass(slots=True)
class Findings:
    """Collects what is wrong during one walk."""

    found: list[Finding] = field(default_factory=list)

    def _add(self, finding: Finding) -> None:
        if len(self.found) < MAX_FINDINGS:
            self.found.append(finding)

    def unknown(self, path: str) -> None:
        self._add(Finding(path, f'unknown field "{path}"', "FieldValueInvalid", strict=True))

    def duplicate(self, path: str) -> None:
        self._add(Finding(path, f'duplicate field "{path}"', "FieldValueDuplicate", strict=True))

    def mismatch(self, value: Any, path: str, holder: str, go_type: str) -> None:
        target = f"struct field {holder}.{_INDEX.sub('', path)}" if holder else "value"
        message = f"json: cannot unmarshal {_json_word(value)} into Go {target} of type {go_type}"
        self._add(Finding(path, message, "FieldValueTypeInvalid"))

    def malformed(self, path: str, why: str) -> None:
        self._add(Finding(path, f"{path}: {why}", "FieldValueInvalid"))


Decoder = Callable[[Any, str, str, Findings], Any]
"""(value, its path, name of the struct that holds it, findings) to the typed value."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one type is decoded: what Go calls it, and what a null in a list stands for."""

    go_type: str
    decode: Decoder
    zero: Callable[[], Any]


def decode(value: Any, type_: type[S], path: str = "") -> tuple[S, Findings]:
    """The object, and what was wrong; where something was, the object is not to be used."""
    findings = Findings()
    decoded: S = shape(type_).decode(value, path, "", findings)
    return decoded, findings


@lru_cache(maxsize=1024)
def shape(type_: Any) -> Shape:
    """The shape of a field's type; made once for each."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        marker = next(extra for extra in arguments[1:] if isinstance(extra, Marker))
        return _marked(marker.go_type)
    if origin in (typing.Union, types.UnionType):
        present = [argument for argument in arguments if argument is not types.NoneType]
        return _int_or_string() if len(present) == 2 else shape(present[0])
    if origin is tuple:
        return _list(shape(arguments[0]))
    if origin is dict:
        return _map(shape(arguments[1]))
    if type_ is Any:
        return Shape("interface {}", lambda value, path, holder, findings: value, lambda: None)
    if isinstance(type_, type) and issubclass(type_, KubeStruct):
        return _struct(type_)
    if type_ is str:
        return _string()
    return _bool() if type_ is bool else _integer("int64")


def _struct(type_: type[KubeStruct]) -> Shape:
    hints = typing.get_type_hints(type_, include_extras=True)
    fields = {
        entry.encode_name: (entry.name, shape(hints[entry.name]).decode) for entry in msgspec.structs.fields(type_)
    }
    name, go_type = type_.__name__, f"v1.{type_.__name__}"

    def decode_struct(value: Any, path: str, holder: str, findings: Findings) -> Any:
        if type(value) is not dict:
            findings.mismatch(value, path, holder, go_type)
            return type_()
        prefix = path + "." if path else ""
        arguments = {}
        for key, item in value.items():
            entry = fields.get(key)
            if entry is None:
                findings.unknown(prefix + key)
            elif item is not None:
                arguments[entry[0]] = entry[1](item, prefix + key, name, findings)
        return type_(**arguments)

    return Shape(go_type, decode_struct, type_)


def _list(element: Shape) -> Shape:
    go_type, decode_element, zero = f"[]{element.go_type}", element.decode, element.zero

    def decode_list(value: Any, path: str, holder: str, findings: Findings) -> Any:
        if type(value) is not list:
            findings.mismatch(value, path, holder, go_type)
            return ()
        return tuple(
            zero() if item is None else decode_element(item, f"{path}[{index}]", holder, findings)
            for index, item in enumerate(value)
        )

    return Shape(go_type, decode_list, tuple)


def _map(element: Shape) -> Shape:
    go_type, decode_element, zero = f"map[string]{element.go_type}", element.decode, element.zero

    def decode_map(value: Any, path: str, holder: str, findings: Findings) -> Any:
        if type(value) is not dict:
            findings.mismatch(value, path, holder, go_type)
            return {}
        return {
            _text(key): zero() if item is None else decode_element(item, f"{path}[{key}]", holder, findings)
            for key, item in value.items()
        }

    return Shape(go_type, decode_map, dict)


def _string() -> Shape:
    def decode_string(value: Any, path: str, holder: str, findings: Findings) -> str:
        if type(value) is str:
            return value if value.isascii() else _text(value)
        findings.mismatch(value, path, holder, "string")
        return ""

    return Shape("string", decode_string, str)


def _bool() -> Shape:
    def decode_bool(value: Any, path: str, holder: str, findings: Findings) -> bool:
        if type(value) is bool:
            return value
        findings.mismatch(value, path, holder, "bool")
        return False

    return Shape("bool", decode_bool, bool)


def _integer(go_type: str) -> Shape:
    lowest, highest = _INTEGER_BOUNDS[go_type]

    def decode_integer(value: Any, path: str, holder: str, findings: Findings) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int and lowest <= value <= highest:
            return value
        findings.mismatch(value if type(value) is not int else _Literal(value), path, holder, go_type)
        return 0

    return Shape(go_type, decode_integer, int)


def _int_or_string() -> Shape:
    integer = _integer("int32").decode

    def decode_either(value: Any, path: str, holder: str, findings: Findings) -> int | str:
        if type(value) is str:
            return _text(value)
        decoded: int = integer(value, path, holder, findings)
        return decoded

    return Shape("intstr.IntOrString", decode_either, int)


def _marked(go_type: str) -> Shape:
    match go_type:
        case "resource.Quantity":
            return Shape(go_type, _decode_quantity, lambda: "0")
        case "v1.Time" | "v1.MicroTime":
            return Shape(go_type, _checked_text(go_type, times.unix_seconds), str)
        case "[]uint8":
            return Shape(go_type, _checked_text(go_type, _check_base64), str)
        case _:
            return _integer(go_type)


def _decode_quantity(value: Any, path: str, holder: str, findings: Findings) -> str:
    if type(value) is int or type(value) is float:
        value = str(value)
    if type(value) is not str:
        findings.mismatch(value, path, holder, "resource.Quantity")
        return "0"
    try:
        return quantity.canonical(value)
    except quantity.QuantityError as error:
        findings.malformed(path, str(error))
        return "0"


def _checked_text(go_type: str, check: Callable[[str], Any]) -> Decoder:
    def decode_text(value: Any, path: str, holder: str, findings: Findings) -> str:
        if type(value) is not str:
            findings.mismatch(value, path, holder, go_type)
            return ""
        try:
            check(value)
        except ValueError as error:
            findings.malformed(path, str(error))
        return _text(value)

    return decode_text


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except binascii.Error:
        raise ValueError("illegal base64 data") from None


def _text(text: str) -> str:
    """Half a surrogate pair, which JSON can spell but UTF-8 cannot, becomes U+FFFD as in Go."""
    return _SURROGATE.sub("\ufffd", text)


class _Literal:
    """A number that is named in full in the message, because its size is what is wrong with it."""

    def __init__(self, number: int) -> None:
        self.number = number


def _json_word(value: Any) -> str:
    match value:
        case _Literal():
            return f"number {value.number}"
        case float() if not value.is_integer():
            return f"number {value}"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"
