"""Objects and tables as kubectl prints them: -o wide, json, yaml, name, and templates of the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from podrun.cli.columns import Table
from podrun.cli.plain_text import plain, plain_json
from podrun.cli.resources import Resource
from podrun.errors import PodrunError

TEMPLATES = ("jsonpath", "jsonpath-as-json", "jsonpath-file", "custom-columns", "custom-columns-file")
OBJECTS = ("json", "yaml", *TEMPLATES)
FORMS = ("", "wide", "name", *OBJECTS)
GO_TEMPLATES = ("go-template", "go-template-file", "template", "templatefile")

Show = Callable[[dict[str, Any]], None]


class Look(NamedTuple):
    """How things are to be shown; `kinds`: with the resource in front of every name, `pod/web`."""

    form: str = ""
    no_headers: bool = False
    show_labels: bool = False
    label_columns: tuple[str, ...] = ()
    namespaces: bool = False
    kinds: bool = False
    events: bool = False  # of a watch: with what happened, as ADDED


class TablePrinter:
    """A Table of meta/v1 as text. Called again with more rows it goes on below, for a watch."""

    def __init__(self, resource: Resource, look: Look) -> None:
        self._resource = resource
        self._look = look
        self._table = Table()
        self._chosen: list[int] = []
        self._headed = look.no_headers

    def show(self, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], event: str = "ADDED") -> None:
        """`columns` may be empty after the first time. A table without rows is not even headed."""
        if not rows:
            return
        if self._look.form == "name":
            lines = [f"{self._resource.singular}/{row['object']['metadata']['name']}" for row in rows]
        else:
            lines = self._lines(columns, rows, event)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _lines(self, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], event: str) -> list[str]:
        if columns:
            wide = self._look.form == "wide"
            self._chosen = [index for index, one in enumerate(columns) if wide or not one.get("priority")]
        happened = [event] if self._look.events else []
        cells = [[*happened, *self._cells(row)] for row in rows]
        if not self._headed and columns:
            self._headed = True
            cells.insert(0, self._head([columns[index]["name"].upper() for index in self._chosen]))
        return self._table.rows(cells)

    def _head(self, names: list[str]) -> list[str]:
        before = ["EVENT"] if self._look.events else []
        before += ["NAMESPACE"] if self._look.namespaces and self._resource.namespaced else []
        labels = [key.rpartition("/")[2].upper() for key in self._look.label_columns]
        return [*before, *names, *labels, *(["LABELS"] if self._look.show_labels else [])]

    def _cells(self, row: dict[str, Any]) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = [_text(row["cells"][index]) for index in self._chosen]
        if self._look.kinds:
            cells[0] = f"{self._resource.singular}/{cells[0]}"
        before = [metadata.get("namespace", "")] if self._look.namespaces and self._resource.namespaced else []
        labels = metadata.get("labels") or {}
        chosen = [labels.get(key, "") for key in self._look.label_columns]
        return [*before, *cells, *chosen, *([labels_text(labels)] if self._look.show_labels else [])]


def _text(cell: object) -> str:
    """One line, and nothing that steers a terminal: what follows a line break is left out, as kubectl does."""
    text = str(cell)
    first, broken, _ = text.partition("\n")
    return plain(f"{first}..." if broken else text)


def labels_text(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def check(form: str, allowed: Sequence[str] = FORMS) -> None:
    """PodrunError: there is no such -o."""
    name = _split(form)[0]
    if name in GO_TEMPLATES and "jsonpath" in allowed:
        hint = "-o jsonpath=… prints single fields, -o custom-columns=… tables"
        raise PodrunError(f"cannot print with -o {name}: podrun is not written in Go and has no Go templates", hint)
    if name not in allowed:
        known = ",".join(sorted(one for one in allowed if one))
        raise PodrunError(
            f'unable to match a printer suitable for the output format "{name}", allowed formats are: {known}'
        )


def _split(form: str) -> tuple[str, str]:
    """`jsonpath={.kind}` in its two parts."""
    name, equals, text = form.partition("=")
    return (name, text) if equals and name in (*TEMPLATES, *GO_TEMPLATES) else (form, "")


def shows_objects(form: str) -> bool:
    return _split(form)[0] in OBJECTS


def object_printer(form: str, *, no_headers: bool = False) -> Show:
    """What prints an object or a List in one of the OBJECTS forms. PodrunError: a template that can't be read."""
    name, text = _split(form)
    if name in TEMPLATES:
        from podrun.cli import templates

        return templates.printer(name, text, no_headers=no_headers)
    shown = 0

    def show(value: dict[str, Any]) -> None:
        nonlocal shown
        if shown and form == "yaml":
            sys.stdout.write("---\n")
        shown += 1
        write_object(value, form)

    return show


DRY_RUN_MARKS = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


class Doing:
    """Says what became of objects, one after the other: `pod/web created`, or as -o wants it."""

    def __init__(self, form: str, dry_run: str = "none") -> None:
        check(form, ("", "name", "json", "yaml", "jsonpath", "jsonpath-as-json", "jsonpath-file"))
        self._form = form
        self._mark = DRY_RUN_MARKS[dry_run]
        self._show = object_printer(form) if shows_objects(form) else None

    def done(self, title: str, word: str, value: dict[str, Any]) -> None:
        if self._show is not None:
            self._show(value)
        else:
            print(title if self._form == "name" else f"{title} {word}{self._mark}", flush=True)


def items_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a list, each with the kind that the list has for all of them."""
    kind = str(answer.get("kind", "")).removesuffix("List")
    return [{"apiVersion": answer.get("apiVersion", "v1"), "kind": kind, **item} for item in answer.get("items") or []]


def write_object(value: dict[str, Any], form: str) -> None:
    if form == "json":
        text = json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
        # Go's encoder writes these so, to be safe inside of HTML.
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        text = plain_json(text)
    else:
        from podrun.cli import yaml_text

        text = yaml_text.of(value)
    sys.stdout.write(text)
    sys.stdout.flush()
