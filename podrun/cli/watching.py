"""Watches: `get -w`, and waiting until things are gone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from podrun.cli import output
from podrun.cli.client import JSON, TABLE, Client, Query
from podrun.cli.failures import StatusFailure
from podrun.cli.resources import Resource, Target
from podrun.errors import PodrunError

if TYPE_CHECKING:
    from podrun.cli.get import Request

EXPIRED = "Expired"

RECONNECTING = 0.2
"""Seconds before a watch that ended is asked for again: the kubelet may just be restarting."""


def changes(
    client: Client, path: str, query: Query, version: str, *, accept: str = JSON, deadline: float | None = None
) -> Iterator[dict[str, Any]]:
    """Watch events after `version` until the stream ends, or until `deadline`, a time of time.monotonic().

    StatusFailure: Expired and the like. TimeoutError: the deadline.
    """
    asked = {**query, "watch": "1", "resourceVersion": version}
    with client.open("GET", path, asked, headers={"Accept": accept}) as stream:
        lines = stream.lines()
        while True:
            if deadline is not None:
                stream.limit(max(deadline - time.monotonic(), 0.001))
            line = next(lines, None)
            if line is None:
                return
            event = json.loads(line)
            if event.get("type") == "ERROR":
                raise StatusFailure(event.get("object") or {})
            yield event


def show(request: Request, targets: Sequence[Target], look: output.Look, *, first: bool) -> None:
    """`get -w`: the list, then a row or object for every change, until Ctrl-C or the kubelet goes."""
    target = targets[0]
    if len(targets) > 1 or len(target.names) > 1:
        raise PodrunError("you may only specify a single resource type or name with --watch")
    if target.names:
        request.ask(target, JSON)
        request.finish()
        request.query["fieldSelector"] = f"metadata.name={target.names[0]}"
    as_table = not output.shows_objects(look.form)
    show_object = None if as_table else output.object_printer(look.form, no_headers=look.no_headers)
    accept = TABLE if as_table else JSON
    path = target.resource.list_path(request.namespace)
    printer = output.TablePrinter(target.resource, look)

    def write(found: dict[str, Any]) -> None:
        if show_object is None:
            printer.show(found.get("columnDefinitions") or [], found.get("rows") or [])
        else:
            show_object(found)

    listed = request.client.get(path, request.query, accept=accept)
    columns = listed.get("columnDefinitions") or []
    if first:
        for found in [listed] if as_table else output.items_of(listed):
            write(found)
    version = listed["metadata"]["resourceVersion"]
    for event in changes(request.client, path, request.query, version, accept=accept):
        if event["type"] == "BOOKMARK":
            continue
        found = event["object"]
        write({"columnDefinitions": columns, **found} if as_table else found)


def await_gone(client: Client, gone: Sequence[tuple[Resource, str, str, str]], timeout: float) -> None:
    """Until none of (resource, namespace, name, uid) is there. PodrunError: not within `timeout` seconds (0: ever)."""
    deadline = time.monotonic() + timeout if timeout > 0 else None
    for resource, namespace, name, uid in gone:
        try:
            while not _is_gone(client, resource, namespace, name, uid, deadline):
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(RECONNECTING)
        except TimeoutError:
            raise PodrunError(f"timed out waiting for the condition on {resource.plural}/{name}") from None


def _is_gone(client: Client, resource: Resource, namespace: str, name: str, uid: str, deadline: float | None) -> bool:
    """True once it is gone; False: the watch ended before."""
    path = resource.list_path(namespace)
    query = {"fieldSelector": f"metadata.name={name}"}
    listed = client.get(path, query)
    if not any(_uid(item) == uid for item in listed.get("items") or []):
        return True
    try:
        for event in changes(client, path, query, listed["metadata"]["resourceVersion"], deadline=deadline):
            if event["type"] == "DELETED" and _uid(event["object"]) == uid:
                return True
    except StatusFailure as error:
        if error.reason != EXPIRED:
            raise
    return False


def _uid(item: dict[str, Any]) -> str:
    return str(item["metadata"].get("uid", ""))
