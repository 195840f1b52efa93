"""Objects and tables as kubectl prints them: -o wide, json, yaml and name."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podrun.cli.columns import Table
from podrun.cli.resources import Resource
from podrun.errors import PodrunError

FORMS = ("", "wide", "json", "yaml", "name")


@dataclass(frozen=True, slots=True)
class Look:
    """How things are to be shown; `kinds`: with the resource in front of every name, `pod/web`."""

    form: str = ""
    no_headers: bool = False
    show_labels: bool = False
    namespaces: bool = False
    kinds: bool = False


class TablePrinter:
    """A Table of meta/v1 as text. Called again with more rows it goes on below, for a watch."""

    def __init__(self, resource: Resource, look: Look) -> None:
        self._resource = resource
        self._look = look
        self._table = Table()
        self._chosen: list[int] = []
        self._headed = look.no_headers

    def show(self, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
        """`columns` may be empty after the first time. A table without rows is not even headed."""
        if not rows:
            return
        if self._look.form == "name":
            lines = [f"{self._resource.singular}/{row['object']['metadata']['name']}" for row in rows]
        else:
            lines = self._lines(columns, rows)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _lines(self, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[str]:
        if columns:
            wide = self._look.form == "wide"
            self._chosen = [index for index, one in enumerate(columns) if wide or not one.get("priority")]
        cells = [self._cells(row) for row in rows]
        if not self._headed and columns:
            self._headed = True
            cells.insert(0, self._head([columns[index]["name"].upper() for index in self._chosen]))
        return self._table.rows(cells)

    def _head(self, names: list[str]) -> list[str]:
        before = ["NAMESPACE"] if self._look.namespaces and self._resource.namespaced else []
        return [*before, *names, *(["LABELS"] if self._look.show_labels else [])]

    def _cells(self, row: dict[str, Any]) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = [_text(row["cells"][index]) for index in self._chosen]
        if self._look.kinds:
            cells[0] = f"{self._resource.singular}/{cells[0]}"
        before = [metadata.get("namespace", "")] if self._look.namespaces and self._resource.namespaced else []
        return [*before, *cells, *([labels_text(metadata.get("labels"))] if self._look.show_labels else [])]


def _text(cell: object) -> str:
    """One line: what follows a line break in a message is left out, as kubectl does."""
    text = str(cell)
    first, broken, _ = text.partition("\n")
    return f"{first}..." if broken else text


def labels_text(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def check(form: str, allowed: Sequence[str] = FORMS) -> None:
    """PodrunError: there is no such -o."""
    if form not in allowed:
        known = ",".join(sorted(one for one in allowed if one))
        raise PodrunError(
            f'unable to match a printer suitable for the output format "{form}", allowed formats are: {known}'
        )


def items_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a list, each with the kind that the list has for all of them."""
    kind = str(answer.get("kind", "")).removesuffix("List")
    return [{"apiVersion": answer.get("apiVersion", "v1"), "kind": kind, **item} for item in answer.get("items") or []]


def write_object(value: dict[str, Any], form: str) -> None:
    if form == "json":
        text = json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
        # Go's encoder writes these so, to be safe inside of HTML.
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    else:
        from podrun.cli import yaml_text

        text = yaml_text.of(value)
    sys.stdout.write(text)
    sys.stdout.flush()
