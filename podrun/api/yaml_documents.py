"""Bytes of a manifest to plain values: YAML as sigs.k8s.io/yaml reads it, or JSON; several documents.

Duplicate keys are kept as a finding, aliases and sizes are bounded. Knows nothing of Kubernetes' schema.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from podrun.api import status_errors

MAX_BYTES = 3 * 1024 * 1024
"""What the API server takes in one request."""
MAX_NODES = 400_000
"""Values in all documents, those repeated by aliases counted each time."""
MAX_DEPTH = 200
_TOO_DEEP = f"exceeded max depth of {MAX_DEPTH}"
MAX_DUPLICATES = 100

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORTH_RESOLVING = frozenset("yYnNtTfFoO~0123456789+-.<")
_NUMBER_START = frozenset("0123456789+-.")
_LONGEST_NUMBER = 100
_MERGE = object()
_STRING_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value, the line it starts on, and the paths of keys that were given twice."""

    value: Any
    line: int
    duplicates: tuple[str, ...] = ()


def documents(content: bytes) -> list[Document]:
    """All documents that are not empty. StatusError: too large, not UTF-8, not YAML (with the line)."""
    if len(content) > MAX_BYTES:
        raise status_errors.too_large(MAX_BYTES)
    if content.lstrip()[:1] == b"{":
        found = _json_documents(content)
        if found is not None:
            return found
    try:
        return [document for document in _Composer(content).run() if document.value is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or ""
        if "nesting depth" in problem:  # libyaml looks ahead in flow collections, and some versions stop before we do
            problem = _TOO_DEEP
        raise _yaml_error(problem, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise _yaml_error(str(getattr(error, "reason", error))) from None


def _yaml_error(problem: str, line: int | None = None) -> status_errors.StatusError:
    where = f"line {line}: " if line else ""
    return status_errors.bad_request(f"error converting YAML to JSON: yaml: {where}{problem}")


def _json_documents(content: bytes) -> list[Document] | None:
    """JSON texts one after another; None when it is not JSON (it may still be YAML in braces)."""
    found: list[Document] = []
    try:
        text = content.decode()
        position = 0
        while position < len(text):
            duplicates: list[str] = []
            decoder = json.JSONDecoder(object_pairs_hook=_pairs(duplicates), parse_constant=_refuse_constant)
            value, end = decoder.raw_decode(text, position)
            # json names no place: the composer reads it again and tells where the duplicate stands.
            if duplicates:
                return None
            found.append(Document(value, text.count("\n", 0, position) + 1))
            rest = text[end:]
            position = end + len(rest) - len(rest.lstrip())
    except (ValueError, RecursionError):
        return None
    return found


def _pairs(duplicates: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            duplicates.append("")
        return mapping

    return build


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    value: dict[str, Any] | list[Any]
    path: str
    anchor: str | None
    nodes_before: int
    key: str | None = None
    merging: bool = False
    explicit: set[str] = field(default_factory=set)

    def child_path(self) -> str:
        if isinstance(self.value, list):
            return f"{self.path}[{len(self.value)}]"
        return f"{self.path}.{self.key}" if self.path else self.key or ""


class _Composer:
    """Builds values straight from the parser's events, without recursion: depth and size are ours to bound."""

    def __init__(self, content: bytes) -> None:
        self.loader = _event_loader()(content)
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0
        self.stack: list[_Open] = []
        self.duplicates: list[str] = []
        self.root: Any = None

    def run(self) -> Iterator[Document]:
        line = 1
        while not isinstance(event := self.loader.get_event(), yaml.StreamEndEvent):
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent():
                    line = _line(event)
                    self.anchors, self.root, self.duplicates = {}, None, []
                case yaml.DocumentEndEvent():
                    yield Document(self.root, line, tuple(self.duplicates))

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _marked(event, "document contains excessive aliasing" if self.anchors else "document is too large")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(1, event)
        value = _resolve(event)
        if event.anchor:
            self.anchors[event.anchor] = (event.value if value is _MERGE else value, 1)
        self._place(value, event)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._count(1, event)
        if len(self.stack) >= MAX_DEPTH:
            raise _marked(event, _TOO_DEEP)
        path = self.stack[-1].child_path() if self.stack else ""
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        opened = _Open(value, path, event.anchor, self.nodes)
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise _marked(event, "invalid map key: a key must be a scalar")
        self.stack.append(opened)

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.nodes - done.nodes_before + 1)
        self._place(done.value, None)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise _marked(event, f"unknown anchor '{event.anchor}' referenced")
        value, nodes = self.anchors[event.anchor]
        self._count(nodes, event)
        self._place(value, event)

    def _place(self, value: Any, event: yaml.Event | None) -> None:
        """Put a finished value where it belongs: as a key, under a key, in a list, or as the document."""
        if not self.stack:
            self.root = None if value is _MERGE else value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append("<<" if value is _MERGE else value)
        elif top.key is None:
            self._key(top, value, event)
        else:
            if top.merging:
                _merge(top, value)
            else:
                top.value[top.key] = "<<" if value is _MERGE else value
            top.key, top.merging = None, False

    def _key(self, top: _Open, value: Any, event: yaml.Event | None) -> None:
        if value is _MERGE:
            top.key, top.merging = "<<", True
            return
        if isinstance(value, dict | list) and event is not None:
            raise _marked(event, "invalid map key: a key must be a scalar")
        top.key = _key_text(value)
        if top.key in top.explicit and len(self.duplicates) < MAX_DUPLICATES:
            self.duplicates.append(top.child_path())
        top.explicit.add(top.key)


def _merge(top: _Open, value: Any) -> None:
    """`<<`: entries of other mappings, under those written here, earlier ones over later ones."""
    assert isinstance(top.value, dict)
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise yaml.MarkedYAMLError(problem="map merge requires map or sequence of maps as the value")
    for source in sources:
        for key, inherited in source.items():
            top.value.setdefault(key, inherited)


def _marked(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    mark = cast(yaml.Mark, event.start_mark)  # libyaml's events are always marked
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _line(event: yaml.Event) -> int:
    return cast(yaml.Mark, event.start_mark).line + 1


def _resolve(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar by the rules of sigs.k8s.io/yaml: YAML 1.1 words, no times, no base 60."""
    text: str = event.value
    tag = event.tag
    plain = event.implicit[0] if tag is None else False
    if plain:
        return _plain(text)
    if tag in (None, "!", _STRING_TAG) or not tag.startswith("tag:yaml.org,2002:"):
        return text
    if tag == "tag:yaml.org,2002:binary":
        raise _marked(event, "!!binary is not supported")
    return _plain(text)


def _plain(text: str) -> Any:
    if not text or text[0] in _WORTH_RESOLVING:
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        if text in _NULL:
            return None
        if text == "<<":
            return _MERGE
        if text[0] in _NUMBER_START and len(text) <= _LONGEST_NUMBER:
            return _number(text)
    return text


def _number(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        try:
            return _integer(text.replace("_", ""))
        except ValueError:
            return text
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _integer(text: str) -> int | float:
    """Go's strconv.ParseInt with base 0: a leading 0 means octal; beyond 64 bits it is a float."""
    digits = text.lstrip("+-")
    base = 10
    if len(digits) > 1 and digits[0] == "0":
        base = {"x": 16, "b": 2, "o": 8}.get(digits[1].lower(), 8)
        digits = digits[2:] if digits[1].isalpha() else digits[1:]
    number = int(digits, base)
    number = -number if text.startswith("-") else number
    return number if -(2**63) <= number < 2**64 else float(number)


def _key_text(value: Any) -> str:
    """A key as JSON has it: text."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case _:
            return json.dumps(value)


def _event_loader() -> Any:
    """libyaml's parser where PyYAML was built with it."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
