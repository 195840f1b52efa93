"""Frozen dataclasses to JSON lines and back, strictly: an unknown kind or field is an error, never ignored.

Every object carries its class name as "kind". bytes are base64, tuples are arrays, enums their value. Fields with a
default may be absent, so an older sender is understood; a newer one is refused where it uses what is new.
"""

from __future__ import annotations

import binascii
import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable

from podrun.container import plan
from podrun.shim import facts, messages

MOST_BYTES = 16 << 20  # one line: an environment may hold a megabyte, a plan hardly more


class WireError(ValueError):
    """A line that this version does not understand. `id` is its own, None where it is not even an object with one."""

    id: int | None = None


Decode = Callable[[object], object]

# Made once: json.dumps and json.loads make or look for theirs each time.
_ENCODER, _DECODER = json.JSONEncoder(separators=(",", ":")), json.JSONDecoder()


def is_news_to_it(refusal: str) -> bool:
    """Whether a receiver has refused something because this version's language is newer than its own."""
    return "has unknown fields" in refusal or "unknown kind" in refusal


def encode(value: object, id: int = 0) -> bytes:
    """One line for `value`, a dataclass of plan, facts or messages; `id` ties a reply to its request.

    On the wire it is called "request", since facts have an id of their own.
    """
    return _ENCODER.encode({"request": id, **_plain(value)}).encode() + b"\n"


def decode(line: bytes) -> tuple[int, object]:
    """The id and the object of one line. Raises WireError."""
    try:
        tree = _DECODER.decode(line.decode())
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("request", 0), int):
        raise WireError("not an object with a number for a request")
    id = tree.pop("request", 0)
    try:
        return id, _object(tree)
    except WireError as error:
        error.id = id
        raise


def warm_up() -> None:
    """Make all decoders now: reading the type hints takes milliseconds, which a shim has no need to spend."""
    for kind in _KINDS.values():
        _decoder_of(kind)
        _fields_of(kind)


def _plain(value: object) -> typing.Any:
    if type(value) in _TYPES:
        return {"kind": type(value).__name__, **_plain_fields(value)}
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _plain_fields(value: typing.Any) -> dict[str, typing.Any]:
    """Without those that say what is understood anyway: so an older shim takes what asks for nothing new."""
    plain = {}
    for name, default in _fields_of(type(value)):
        field = getattr(value, name)
        if default is dataclasses.MISSING or field != default:
            plain[name] = _plain(field)
    return plain


_KINDS: dict[str, type] = {}
_TYPES: set[type] = set()
_decoders: dict[type, tuple[dict[str, Decode], frozenset[str]]] = {}
_fields: dict[type, tuple[tuple[str, object], ...]] = {}


def _fields_of(kind: type) -> tuple[tuple[str, object], ...]:
    """Name and default of each."""
    if kind not in _fields:
        _fields[kind] = tuple((field.name, _default_of(field)) for field in dataclasses.fields(kind))
    return _fields[kind]


def _default_of(field: dataclasses.Field[typing.Any]) -> object:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _object(tree: object, expected: type | None = None) -> object:
    if not isinstance(tree, dict):
        raise WireError(f"expected an object, got {type(tree).__name__}")
    name = tree.get("kind")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or (expected is not None and kind is not expected):
        raise WireError(f"unknown kind {name!r}")
    decoders, required = _decoder_of(kind)
    given = tree.keys() - {"kind"}
    if unknown := given - decoders.keys():
        raise WireError(f"{name} has unknown fields: {', '.join(sorted(unknown))}")
    if missing := required - given:
        raise WireError(f"{name} lacks fields: {', '.join(sorted(missing))}")
    return kind(**{field: decoders[field](tree[field]) for field in given})


def _decoder_of(kind: type) -> tuple[dict[str, Decode], frozenset[str]]:
    if kind not in _decoders:
        hints = typing.get_type_hints(kind)
        fields = dataclasses.fields(kind)
        no_default = dataclasses.MISSING
        required = {f.name for f in fields if f.default is no_default and f.default_factory is no_default}
        _decoders[kind] = ({f.name: _decoder(hints[f.name]) for f in fields}, frozenset(required))
    return _decoders[kind]


def _decoder(hint: typing.Any) -> Decode:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda value: tuple(item(v) for v in _as(list, value))
    if origin is dict:
        item = _decoder(arguments[1])
        return lambda value: {str(key): item(v) for key, v in _as(dict, value).items()}
    if origin is typing.Literal:
        return lambda value: _literal(arguments, value)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda value: _object(value, hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return lambda value: _enum(hint, value)
    if hint is bytes:
        return _bytes
    if hint is float:
        return _float
    if hint in (str, int, bool):
        return lambda value: _as(hint, value)
    raise TypeError(f"no wire form for {hint}")


def _union_decoder(arguments: tuple[typing.Any, ...]) -> Decode:
    optional = type(None) in arguments
    rest = [a for a in arguments if a is not type(None)]
    if all(dataclasses.is_dataclass(a) for a in rest) and len(rest) > 1:
        inner = _one_of(frozenset(rest))
    else:
        inner = _first_that_fits([_decoder(a) for a in rest])
    return lambda value: None if optional and value is None else inner(value)


def _first_that_fits(decoders: list[Decode]) -> Decode:
    def decode_alternative(value: object) -> object:
        for decoder in decoders[:-1]:
            try:
                return decoder(value)
            except WireError:
                continue
        return decoders[-1](value)

    return decode_alternative


def _literal(allowed: tuple[object, ...], value: object) -> object:
    if value not in allowed:
        raise WireError(f"expected one of {allowed}")
    return value


def _one_of(kinds: frozenset[type]) -> Decode:
    def decode_member(value: object) -> object:
        member = _object(value)
        if type(member) not in kinds:
            raise WireError(f"{type(member).__name__} does not belong here")
        return member

    return decode_member


def _as(kind: typing.Any, value: object) -> typing.Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WireError(f"expected {kind}, got {type(value).__name__}")
    return value


def _bytes(value: object) -> bytes:
    try:
        return binascii.a2b_base64(_as(str, value), strict_mode=True)
    except ValueError as error:
        raise WireError(f"not base64: {error}") from error


def _float(value: object) -> float:
    try:
        return float(_as((int, float), value))
    except OverflowError as error:
        raise WireError(str(error)) from error


def _enum(kind: type[enum.Enum], value: object) -> enum.Enum:
    try:
        return kind(value)
    except ValueError as error:
        raise WireError(str(error)) from error


def _register(*modules: types.ModuleType) -> None:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                _KINDS[value.__name__] = value
                _TYPES.add(value)


_register(plan, facts, messages)
