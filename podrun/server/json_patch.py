"""JSON Patch (RFC 6902) over plain JSON values. Pure."""

from __future__ import annotations

import copy
from typing import Any

MOST_OPERATIONS = 10_000
"""As kube-apiserver takes in one patch."""


class PatchError(ValueError):
    """An operation that can't be read, or that does not fit the document."""


def apply(document: Any, operations: list[Any]) -> Any:
    """The document after all operations. PatchError: one fails; then none counts."""
    if len(operations) > MOST_OPERATIONS:
        raise PatchError(f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}")
    whole = [copy.deepcopy(document)]
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("every operation of a JSON patch needs an op and a path")
        _carry_out(whole, operation)
    return whole[0]


def _carry_out(whole: list[Any], operation: dict[str, Any]) -> None:
    kind, path = operation.get("op"), _tokens(operation["path"])
    match kind:
        case "add" | "replace" | "test" if "value" not in operation:
            raise PatchError(f"operation {kind} needs a value")
        case "add":
            _add(whole, path, copy.deepcopy(operation["value"]))
        case "replace":
            _remove(whole, path)
            _add(whole, path, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(whole, path)
        case "test":
            if _find(whole[0], path) != operation["value"]:
                raise PatchError(f"testing value {operation['path']} failed")
        case "copy" | "move":
            source = _tokens(operation.get("from"))
            if kind == "move" and path[: len(source)] == source and path != source:
                raise PatchError(f"cannot move {operation['from']} into itself")
            value = copy.deepcopy(_find(whole[0], source))
            if kind == "move":
                _remove(whole, source)
            _add(whole, path, value)
        case _:
            raise PatchError(f"unexpected kind of operation: {kind}")


def _tokens(pointer: object) -> list[str]:
    """The parts of a JSON Pointer (RFC 6901)."""
    if pointer == "":
        return []
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise PatchError(f"not a JSON pointer: {pointer}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _find(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list):
            value = value[_index(part, len(value) - 1)]
        else:
            raise PatchError(f"unable to find {'/'.join(['', *path])}")
    return value


def _index(part: str, most: int) -> int:
    if not part.isascii() or not part.isdecimal() or (part != "0" and part.startswith("0")) or int(part) > most:
        raise PatchError(f"invalid index of a list: {part}")
    return int(part)


def _add(whole: list[Any], path: list[str], value: Any) -> None:
    if not path:
        whole[0] = value
        return
    parent, last = _find(whole[0], path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    else:
        raise PatchError(f"unable to add {'/'.join(['', *path])}: what is above it holds nothing")


def _remove(whole: list[Any], path: list[str]) -> None:
    _find(whole[0], path)
    if not path:
        return
    parent, last = _find(whole[0], path[:-1]), path[-1]
    del parent[last if isinstance(parent, dict) else int(last)]
