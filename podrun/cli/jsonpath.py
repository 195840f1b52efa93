"""JSONPath in client-go's dialect (k8s.io/client-go/util/jsonpath): templates of text and {paths}. Pure.

`compile` reads a template; a Template finds values in plain JSON objects, or makes text of them as kubectl does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podrun.errors import PodrunError


class JsonPathError(PodrunError):
    """The template can't be read, or does not fit the object."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Field:
    name: str


@dataclass(frozen=True, slots=True)
class Slice:
    """`only`: one index was asked for, not a range; None: not said."""

    start: int | None
    stop: int | None
    step: int | None
    only: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """`operator` is `exists` where there is nothing to compare with."""

    left: Group
    operator: str
    right: Group


@dataclass(frozen=True, slots=True)
class Union:
    parts: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """`range`, `end`, or what nobody knows."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard: ...


@dataclass(frozen=True, slots=True)
class Recursive: ...


Node = Literal | Field | Slice | Filter | Union | Word | Wildcard | Recursive


@dataclass(frozen=True, slots=True)
class Group:
    """What stands in one pair of braces: each node works on what the one before has found."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    parts: tuple[Literal | Group, ...]

    def find(self, value: Any) -> list[list[Any]]:
        """What every part finds. JsonPathError: it does not fit the object."""
        found, _ = _run(self.parts, 0, value, nested=False)
        return found

    def text(self, value: Any) -> str:
        return "".join(" ".join(as_text(one) for one in part) for part in self.find(value))


def compile(text: str) -> Template:
    """JsonPathError: not a template."""
    return Template(tuple(_Parser(text).template()))


_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")


def compile_relaxed(text: str) -> Template:
    """A single path where braces and the first dot may be left out, as in --sort-by and custom-columns."""
    if not text:
        return Template(())
    found = _RELAXED.fullmatch(text)
    if not found:
        raise JsonPathError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
        )
    return compile("{." + (found[1] or found[2]) + "}")


# Reading.

_END = ""
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")
_TERMINATORS = frozenset((_END, *" \t\r\n.,[]$@{}"))
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'\"]))")
_ESCAPED = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def template(self) -> list[Literal | Group]:
        parts: list[Literal | Group] = []
        while self.at < len(self.text):
            brace = self.text.find("{", self.at)
            end = len(self.text) if brace < 0 else brace
            if end > self.at:
                parts.append(Literal(self.text[self.at : end]))
            self.at = end
            if brace >= 0:
                self.at += 1
                parts.append(self.group())
        return parts

    def group(self) -> Group:
        """Up to and with the closing brace."""
        nodes: list[Node] = []
        while not self._taken("}"):
            nodes += self._node(nodes)
        return Group(tuple(nodes))

    def _node(self, before: Sequence[Node]) -> list[Node]:
        if self._taken("[?("):
            return [self._filter()]
        if self._taken(".."):
            if before and isinstance(before[-1], Recursive):
                raise JsonPathError("invalid multiple recursive descent")
            return [Recursive(), *([self._field()] if _is_word(self._peek()) else [])]
        letter = self._next()
        if letter in (_END, "\r", "\n"):
            raise JsonPathError("unclosed action")
        if letter in " @$":
            return []
        if letter == "[":
            return self._brackets()
        if letter in "\"'":
            return [Literal(self._quoted(letter))]
        if letter == ".":
            return [self._field()]
        self.at -= 1
        if letter in "+-" or letter.isdigit():
            return [self._number()]
        if _is_word(letter):
            word = self._until_terminator()
            return [Literal(word == "true") if word in ("true", "false") else Word(word)]
        raise JsonPathError(f"unrecognized character in action: U+{ord(letter):04X} '{letter}'")

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _next(self) -> str:
        letter = self._peek()
        self.at += len(letter)
        return letter

    def _taken(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found

    def _until_terminator(self) -> str:
        start = self.at
        while self._peek() not in _TERMINATORS:
            self.at += 1
        return self.text[start : self.at]

    def _field(self) -> Node:
        start = self.at
        while self._peek() not in _TERMINATORS:
            self.at += 2 if self._peek() == "\\" else 1
        word = self.text[start : self.at]
        return Wildcard() if word == "*" else Field(word.replace("\\", ""))

    def _number(self) -> Literal:
        start = self.at
        self.at += self._peek() in "+-"
        while (letter := self._peek()) and (letter == "." or letter.isdigit()):
            self.at += 1
        word = self.text[start : self.at]
        for type_ in (int, float):
            try:
                return Literal(type_(word))
            except ValueError:
                continue
        raise JsonPathError(f"cannot parse number {word}")

    def _quoted(self, quote: str) -> str:
        start = self.at
        while (letter := self._next()) != quote or self.text[self.at - 2] == "\\":
            if letter in (_END, "\n"):
                raise JsonPathError("unterminated quoted string")
        inside = self.text[start : self.at - 1]
        other = "'" if quote == '"' else '"'
        if "\\" in _ESCAPE.sub("", inside) or f"\\{other}" in inside:
            raise JsonPathError(f"unquote string {quote}{inside}{quote} error invalid syntax")
        return _ESCAPE.sub(_unescaped, inside)

    def _brackets(self) -> list[Node]:
        end = self.text.find("]", self.at)
        inside = self.text[self.at : end]
        if end < 0 or "\n" in inside:
            raise JsonPathError("unterminated array")
        self.at = end + 1
        if "," in inside:
            return [Union(tuple(_inner(f"[{part.strip(' ')}]") for part in inside.split(",")))]
        if key := _KEY.fullmatch(inside):
            return list(_inner(f".{key[1]}").nodes)
        return [_slice(":" if inside == "*" else inside)]

    def _filter(self) -> Filter:
        start = self.at
        quote = ""
        closed = False
        while (letter := self._next()) != ")" or (quote and not closed):
            if letter in (_END, "\n"):
                raise JsonPathError("unterminated filter")
            if letter in "\"'":
                if not quote:
                    quote = letter
                elif letter == quote and self.text[self.at - 2] != "\\":
                    closed = True
        text = self.text[start : self.at - 1]
        if self._next() != "]":
            raise JsonPathError("unclosed array expect ]")
        compared = _COMPARISON.fullmatch(text)
        if not compared:
            return Filter(_inner(text), "exists", Group())
        return Filter(_inner(compared[1]), compared[2], _inner(compared[3]))


def _inner(text: str) -> Group:
    part = _Parser(f"{{{text}}}").template()[0]
    assert isinstance(part, Group)
    return part


def _is_word(letter: str) -> bool:
    return letter == "_" or letter.isalpha() or letter.isdigit()


def _unescaped(found: re.Match[str]) -> str:
    two, four, eight, octal, letter = found.groups()
    if letter:
        return _ESCAPED[letter]
    return chr(int(octal, 8) if octal else int(two or four or eight, 16))


def _slice(text: str) -> Slice:
    found = _SLICE.fullmatch(text)
    if not found:
        raise JsonPathError(f"invalid array index {text}")
    for part in found.groups():
        if part and part.lstrip(":") == "-":
            raise JsonPathError(f"array index {part.lstrip(':')} is not a number")
    start, stop, step = (int(part.lstrip(":")) if part and part.lstrip(":") else None for part in found.groups())
    if found[2] is None:
        return Slice(start or 0, (start or 0) + 1, step, only=True)
    return Slice(start, stop, step)


# Finding.


def _run(parts: Sequence[Literal | Group], at: int, value: Any, *, nested: bool) -> tuple[list[list[Any]], int]:
    """What the parts from `at` find, up to the `{end}` of this range; and where to go on after it."""
    found: list[list[Any]] = []
    while at < len(parts):
        part = parts[at]
        at += 1
        if isinstance(part, Literal):
            found.append([part.value])
            continue
        words = [node.name for node in part.nodes if isinstance(node, Word)]
        if "end" in words:
            if not nested:
                raise JsonPathError("not in range, nothing to end")
            return found, at
        results = _walk(part, [value])
        if "range" not in words:
            found.append(results)
            continue
        for one in results:
            inner, _ = _run(parts, at, one, nested=True)
            found += inner
        at = _after_range(parts, at)
    return found, at


def _after_range(parts: Sequence[Literal | Group], at: int) -> int:
    depth = 1
    while at < len(parts) and depth:
        part = parts[at]
        words = [node.name for node in part.nodes if isinstance(node, Word)] if isinstance(part, Group) else []
        depth += words.count("range") - words.count("end")
        at += 1
    return at


def _walk(group: Group, values: list[Any]) -> list[Any]:
    for node in group.nodes:
        values = _step(node, values)
    return values


def _step(node: Node, values: list[Any]) -> list[Any]:
    match node:
        case Literal(value=str() as text):
            return [text]
        case Literal():
            return [node.value for _ in values]
        case Field():
            return [one[node.name] for one in values if isinstance(one, dict) and node.name in one]
        case Slice():
            return [item for one in values if one is not None for item in _sliced(node, one)]
        case Filter():
            return [item for one in values for item in _filtered(node, one)]
        case Union():
            return [item for part in node.parts for item in _walk(part, values)]
        case Wildcard():
            return [item for one in values for item in _contents(one)]
        case Recursive():
            return [item for one in values for item in _descended(one)]
        case Word(name="range" | "end"):
            return values
        case Word():
            raise JsonPathError(f"unrecognized identifier {node.name}")


def _contents(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _descended(value: Any) -> list[Any]:
    """The value and all below it, if there is anything in it."""
    if isinstance(value, str):
        return [value] if value else []
    inside = _contents(value)
    return [value, *(item for one in inside for item in _descended(one))] if inside else []


def _sliced(node: Slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"{_go_type(value)} is not array or slice")
    length = len(value)
    start = node.start or 0
    stop = length if node.stop is None else node.stop
    start += length if start < 0 else 0
    stop += length if stop < 0 or (stop == 0 and node.only) else 0
    if start == stop:
        return []
    if not 0 <= start < length:
        raise JsonPathError(f"array index out of bounds: index {start}, length {length}")
    if not 0 <= stop <= length:
        raise JsonPathError(f"array index out of bounds: index {stop - 1}, length {length}")
    if start > stop:
        raise JsonPathError(f"starting index {start} is greater than ending index {stop}")
    if node.step is not None and node.step <= 0:
        raise JsonPathError("step must be > 0")
    return value[start : stop : node.step or 1]


def _filtered(node: Filter, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"{as_go_text(value)} is not array or slice and cannot be filtered")
    return [item for item in value if _passes(node, item)]


def _passes(node: Filter, item: Any) -> bool:
    lefts = _walk(node.left, [item])
    if node.operator == "exists":
        return bool(lefts)
    rights = _walk(node.right, [item])
    if not lefts or not rights:
        return False
    if len(lefts) > 1 or len(rights) > 1:
        raise JsonPathError("can only compare one element at a time")
    left, right = lefts[0], rights[0]
    if node.operator not in ("<", ">", "==", "!=", "<=", ">="):
        raise JsonPathError(f"unrecognized filter operator {node.operator}")
    for one in (left, right):
        if not isinstance(one, str | int | float):
            raise JsonPathError("invalid type for comparison")
    if type(left) is not type(right):
        raise JsonPathError("incompatible types for comparison")
    if node.operator in ("==", "!="):
        return bool((left == right) is (node.operator == "=="))
    if isinstance(left, bool):
        raise JsonPathError("invalid type for comparison")
    return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[node.operator])


# Text.


def as_json(value: Any, *, indent: int | None = None) -> str:
    """As Go's encoder writes it: keys sorted, safe inside of HTML."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, indent=indent, separators=separators, sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def as_text(value: Any) -> str:
    return as_json(value) if isinstance(value, dict | list | None) else as_go_text(value)


def as_go_text(value: Any) -> str:
    """As Go's fmt prints it with %v."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return repr(value).removesuffix(".0")
        case dict():
            return f"map[{' '.join(f'{key}:{as_go_text(one)}' for key, one in sorted(value.items()))}]"
        case list():
            return f"[{' '.join(as_go_text(one) for one in value)}]"
        case _:
            return str(value)


def _go_type(value: Any) -> str:
    names = {bool: "bool", int: "int64", float: "float64", str: "string", dict: "map[string]interface {}"}
    return names.get(type(value), "interface {}")
