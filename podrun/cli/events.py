"""`podrun events`: what happened, in the order of time; of everything, or of one object."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import describe_events, output, resources
from podrun.cli.client import JSON, TABLE
from podrun.cli.columns import Table
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

EXAMPLES = """
# List recent events in the default namespace
podrun events

# List recent events in all namespaces
podrun events --all-namespaces

# List recent events of pod web, then wait for more and list them as they arrive
podrun events --for pod/web --watch

# List recent events of type Warning
podrun events --types=Warning
"""

TYPES = ("Normal", "Warning")
HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


@click.command(
    "events",
    cls=shared.Verb,
    synopsis="[(-o|--output=)json|yaml|name] [--for TYPE/NAME] [--watch] [--types=Normal,Warning] [options]",
    examples=EXAMPLES,
    help="Display events.\n\n Prints a table of the most important information about events, the newest last.",
)
@click.option("-A", "--all-namespaces", is_flag=True, help="List the events of all namespaces.")
@click.option("--for", "about", default="", help="Filter events to only those pertaining to this TYPE/NAME.")
@click.option("--types", multiple=True, help="Output only events of given types: Normal, Warning.")
@click.option("-w", "--watch", is_flag=True, help="After listing the requested events, watch for more events.")
@click.option("--no-headers", is_flag=True, help="When using the default output format, don't print headers.")
@click.option("-o", "--output", "form", default="", help="Output format. One of: (json, yaml, name).")
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    all_namespaces: bool,
    about: str,
    types: tuple[str, ...],
    watch: bool,
    no_headers: bool,
    form: str,
    namespace: str | None,
) -> None:
    output.check(form, ("", "name", *output.OBJECTS))
    wanted = _types(types)
    where = None if all_namespaces else session.namespace_of(namespace)
    path = resources.EVENT.list_path(where)
    query = {"fieldSelector": _field_selector(about)}
    client = session.client
    if form:
        listed = client.get(path, query)
        items = [one for one in output.items_of(listed) if not wanted or one.get("type") in wanted]
        items.sort(key=describe_events.moment)
        if form == "name":
            print("\n".join(f"event/{one['metadata']['name']}" for one in items))
        else:
            output.object_printer(form)({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {}})
    else:
        listed = client.get(path, {**query, "includeObject": "Object"}, accept=TABLE)
        printer = _Printer(listed, wanted, headed=no_headers, namespaces=all_namespaces)
        rows = sorted(listed.get("rows") or [], key=lambda row: describe_events.moment(row["object"]))
        if not printer.show(rows) and not watch:
            print(f"No events found{f' in {where} namespace.' if where else '.'}", file=sys.stderr)
    if not watch:
        return
    from podrun.cli import watching

    accept = JSON if form else TABLE
    for event in watching.follow(client, path, {**query, "includeObject": "Object"}, listed, accept=accept):
        if event["type"] == "DELETED":
            continue
        if not form:
            printer.show(event["object"].get("rows") or [])
        elif not wanted or event["object"].get("type") in wanted:
            if form == "name":
                print(f"event/{event['object']['metadata']['name']}", flush=True)
            else:
                output.object_printer(form)(event["object"])


def _types(words: Sequence[str]) -> tuple[str, ...]:
    chosen = [one for word in words for one in word.split(",") if one]
    for one in chosen:
        if one.capitalize() not in TYPES:
            raise PodrunError("valid --types are Normal or Warning")
    return tuple(one.capitalize() for one in chosen)


def _field_selector(about: str) -> str:
    if not about:
        return ""
    kind, slash, name = about.partition("/")
    if not slash or not kind or not name:
        raise PodrunError("--for must be in resource/name form")
    return f"involvedObject.kind={resources.find(kind).kind},involvedObject.name={name}"


class _Printer:
    """kubectl's columns out of the server's; called again it goes on below."""

    def __init__(self, table: dict[str, Any], types: Sequence[str], *, headed: bool, namespaces: bool) -> None:
        self._names = [column["name"] for column in table.get("columnDefinitions") or []]
        self._types = types
        self._headed = headed
        self._namespaces = namespaces
        self._table = Table()

    def show(self, rows: Sequence[dict[str, Any]]) -> bool:
        lines = [self._cells(row) for row in rows if not self._types or row["object"].get("type") in self._types]
        if not lines:
            return False
        if not self._headed:
            self._headed = True
            lines.insert(0, [*(["NAMESPACE"] if self._namespaces else []), *HEADER])
        sys.stdout.write("\n".join(self._table.rows(lines)) + "\n")
        sys.stdout.flush()
        return True

    def _cells(self, row: dict[str, Any]) -> list[str]:
        cells = dict(zip(self._names, row["cells"], strict=False))
        about = row["object"]["involvedObject"]
        message = plain(str(cells["Message"]).strip().replace("\n", " "))
        before = [row["object"]["metadata"]["namespace"]] if self._namespaces else []
        seen = describe_events.age(cells)
        return [*before, seen, str(cells["Type"]), str(cells["Reason"]), f"{about['kind']}/{about['name']}", message]
