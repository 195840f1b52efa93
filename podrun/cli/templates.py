"""-o jsonpath=… and custom-columns=…: printers that the user writes. Loaded only when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podrun.cli import jsonpath
from podrun.cli.columns import Table
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

JSONPATH = ("jsonpath", "jsonpath-file", "jsonpath-as-json")
COLUMNS = ("custom-columns", "custom-columns-file")

Show = Callable[[dict[str, Any]], None]


def printer(form: str, text: str, *, no_headers: bool) -> Show:
    """Prints an object or a List. PodrunError: no template given, not readable, or not a template."""
    if form in COLUMNS:
        if not text:
            raise PodrunError("custom-columns format specified but no custom columns given")
        spec = _columns_file(text) if form.endswith("-file") else text
        return _Columns(_columns(spec), headed=no_headers).show
    if not text:
        raise PodrunError("template format specified but no template given")
    template = _content(text) if form == "jsonpath-file" else text
    try:
        compiled = jsonpath.compile(template)
    except jsonpath.JsonPathError as error:
        raise PodrunError(f"error parsing jsonpath {template}, {error}") from None

    def show(value: dict[str, Any]) -> None:
        try:
            if form == "jsonpath-as-json":
                found = compiled.find(value)
                said = "".join(jsonpath.as_json(one, indent=4) + "\n" for one in found)
            else:
                said = compiled.text(value)
        except jsonpath.JsonPathError as error:
            quoted = json.dumps(template, ensure_ascii=False)
            raise PodrunError(f"error executing jsonpath {quoted}: Error executing template: {error}") from None
        sys.stdout.write(said)
        sys.stdout.flush()

    return show


@dataclass(frozen=True, slots=True)
class Column:
    header: str
    path: jsonpath.Template


def _columns(spec: str) -> list[Column]:
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise PodrunError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append(Column(header, jsonpath.compile_relaxed(path)))
    return columns


def _columns_file(name: str) -> str:
    """Two lines: headers, and paths below them."""
    lines = [line.split() for line in _content(name).splitlines() if line.strip()]
    if len(lines) < 2:
        raise PodrunError("invalid custom-columns-file: expected a line of headers and a line of paths")
    headers, paths = lines[0], lines[1]
    if len(headers) != len(paths):
        raise PodrunError(f"number of headers ({len(headers)}) and field specifications ({len(paths)}) don't match")
    return ",".join(f"{header}:{path}" for header, path in zip(headers, paths, strict=True))


def _content(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise PodrunError(f"error reading template {name}, {why}") from None


class _Columns:
    def __init__(self, columns: Sequence[Column], *, headed: bool) -> None:
        self._columns = columns
        self._headed = headed
        self._table = Table()

    def show(self, value: dict[str, Any]) -> None:
        items = value["items"] if "items" in value and value.get("kind", "").endswith("List") else [value]
        rows = [[_cell(column.path, item) for column in self._columns] for item in items]
        if not self._headed:
            self._headed = True
            rows.insert(0, [column.header for column in self._columns])
        if rows:
            sys.stdout.write("\n".join(self._table.rows(rows)) + "\n")
            sys.stdout.flush()


def _cell(path: jsonpath.Template, item: dict[str, Any]) -> str:
    found = path.find(item)
    if not found or not found[0]:
        return "<none>"
    return plain(",".join(jsonpath.as_go_text(one) for part in found for one in part))
