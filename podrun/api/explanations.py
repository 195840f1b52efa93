"""What the fields of the kinds are: names and types from the typed objects, descriptions in our own words. Pure."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any

import msgspec

from podrun.api.descriptions import DESCRIPTIONS, REQUIRED
from podrun.api.objects.struct import IntOrString, KubeStruct, Marker

_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", Any: "Object"}
_MARKED = {"resource.Quantity": "Quantity", "v1.Time": "Time", "v1.MicroTime": "MicroTime", "[]uint8": "string"}


@dataclass(frozen=True, slots=True)
class Field:
    """`type` as kubectl explain writes it; `fields`: what is inside, as deep as was asked."""

    name: str
    type: str
    description: str
    required: bool = False
    fields: tuple[Field, ...] = ()


def explain(kind: type[KubeStruct], path: tuple[str, ...], *, recursive: bool) -> Field | None:
    """The field at the path, with its own fields; None: there is no such one. An empty path is the kind itself."""
    found = Field("", kind.__name__, description(kind))
    inner: type[KubeStruct] | None = kind
    for name in path:
        entry = None if inner is None else fields_of(inner).get(name)
        if inner is None or entry is None:
            return None
        found = _field(inner, name, entry)
        inner = _struct_in(entry)
    depth = 0 if inner is None else 100 if recursive else 1
    fields = _fields(inner, depth, ()) if inner is not None else ()
    return Field(found.name, found.type, found.description, found.required, fields)


def _fields(holder: type[KubeStruct], depth: int, within: tuple[type[KubeStruct], ...]) -> tuple[Field, ...]:
    """In the order of their names. A type inside of itself is not opened again."""
    if depth == 0 or holder in within:
        return ()
    made = []
    for name, type_ in sorted(fields_of(holder).items()):
        one, inner = _field(holder, name, type_), _struct_in(type_)
        deeper = _fields(inner, depth - 1, (*within, holder)) if inner is not None else ()
        made.append(Field(one.name, one.type, one.description, one.required, deeper))
    return tuple(made)


def _field(holder: type[KubeStruct], name: str, type_: Any) -> Field:
    inner = _struct_in(type_)
    said = description(holder, name) or (description(inner) if inner else "")
    return Field(name, _name(type_), said, is_required(holder, name))


def description(holder: type[KubeStruct], field: str = "") -> str:
    """Of the type itself, or of one of its fields."""
    if not field:
        return DESCRIPTIONS.get(holder.__name__, "")
    return DESCRIPTIONS.get(f"{holder.__name__}.{field}") or DESCRIPTIONS.get(f"*.{field}", "")


def is_required(holder: type[KubeStruct], field: str) -> bool:
    return f"{holder.__name__}.{field}" in REQUIRED


def fields_of(holder: type[KubeStruct]) -> dict[str, Any]:
    """Names in JSON, with their types and markers."""
    hints = typing.get_type_hints(holder, include_extras=True)
    return {entry.encode_name: hints[entry.name] for entry in msgspec.structs.fields(holder)}


def _name(type_: Any) -> str:
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if type_ == IntOrString:
        return "IntOrString"
    if origin is typing.Annotated:
        marker = next(extra for extra in arguments[1:] if isinstance(extra, Marker))
        return _MARKED.get(marker.go_type, "integer")
    if origin in (typing.Union, types.UnionType):
        present = [one for one in arguments if one is not types.NoneType]
        return "IntOrString" if len(present) == 2 else _name(present[0])
    if origin is tuple:
        return f"[]{_name(arguments[0])}"
    if origin is dict:
        return f"map[string]{_name(arguments[1])}"
    return _SCALARS.get(type_) or str(getattr(type_, "__name__", "Object"))


def _struct_in(type_: Any) -> type[KubeStruct] | None:
    """The struct that a field is, or that it is a list or a map of."""
    if isinstance(type_, type) and issubclass(type_, KubeStruct):
        return type_
    for one in typing.get_args(type_):
        if (found := _struct_in(one)) is not None:
            return found
    return None
