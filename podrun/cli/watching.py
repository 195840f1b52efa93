"""Watches: `get -w`, and waiting until things are gone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from podrun.cli import output
from podrun.cli.client import (
    JSON,
    PATIENCE,
    RECONNECTING,
    TABLE,
    Client,
    KubeletDownError,
    KubeletLostError,
    Query,
)
from podrun.cli.failures import StatusFailure
from podrun.cli.resources import Resource, Target
from podrun.errors import PodrunError

if TYPE_CHECKING:
    from podrun.cli.get import Request

EXPIRED = "Expired"


class TimedOutError(PodrunError):
    """It was not so before the time was over."""


def changes(
    client: Client, path: str, query: Query, version: str, *, accept: str = JSON, deadline: float | None = None
) -> Iterator[dict[str, Any]]:
    """Watch events after `version` until `deadline`, a time of time.monotonic(), or until a new list is needed: the
    kubelet went, even before this, or `version` is too old for it. StatusFailure, TimeoutError: the deadline."""
    asked = {**query, "watch": "1", "resourceVersion": version}
    try:
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
    except (KubeletDownError, KubeletLostError):
        return
    except StatusFailure as error:
        if error.reason != EXPIRED:
            raise


def follow(
    client: Client, path: str, query: Query, listed: dict[str, Any], *, accept: str = JSON
) -> Iterator[dict[str, Any]]:
    """Watch events after what was `listed`, for ever. Where the kubelet goes, or this client was too slow, a new list
    tells what has changed. KubeletDownError: no kubelet came back; none is started here."""
    client = client.starting_none()
    seen = {_uid(one): one for one in _each(listed)}
    while True:
        for event in changes(client, path, query, listed["metadata"]["resourceVersion"], accept=accept):
            if event["type"] == "BOOKMARK":
                continue
            for one in _each(event["object"]):
                seen[_uid(one)] = one
                if event["type"] == "DELETED":
                    del seen[_uid(one)]
            yield event
        listed = _listed_again(client, path, query, accept)
        before, seen = seen, {_uid(one): one for one in _each(listed)}
        yield from _differences(before, seen, listed)


def _listed_again(client: Client, path: str, query: Query, accept: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        time.sleep(RECONNECTING)
        try:
            return dict(client.get(path, query, accept=accept))
        except KubeletDownError:
            if time.monotonic() > deadline:
                raise


def _differences(
    before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]], listed: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """What happened between two lists, as watch events."""
    is_table = listed.get("kind") == "Table"

    def event(type_: str, one: dict[str, Any]) -> dict[str, Any]:
        return {"type": type_, "object": {**listed, "rows": [one]} if is_table else one}

    for uid in before.keys() - now.keys():
        yield event("DELETED", before[uid])
    for uid, one in now.items():
        if uid not in before:
            yield event("ADDED", one)
        elif _metadata(one).get("resourceVersion") != _metadata(before[uid]).get("resourceVersion"):
            yield event("MODIFIED", one)


def _each(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, the objects of a list, or the one object."""
    if found.get("kind") == "Table":
        return found.get("rows") or []
    return output.items_of(found) if "items" in found else [found]


def _metadata(one: dict[str, Any]) -> dict[str, Any]:
    """Of an object, or of a row's."""
    return dict((one["object"] if "cells" in one else one)["metadata"])


def show(request: Request, targets: Sequence[Target], look: output.Look, *, first: bool) -> None:
    """`get -w`: the list, then a row or object for every change, until Ctrl-C or the kubelet goes for good."""
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

    def write(happened: str, found: dict[str, Any]) -> None:
        if show_object is None:
            printer.show(found.get("columnDefinitions") or [], found.get("rows") or [], happened)
        elif not look.events:
            show_object(found)
        elif look.form == "json":
            print(json.dumps({"type": happened, "object": found}, ensure_ascii=False), flush=True)
        else:
            show_object({"type": happened, "object": found})

    listed = request.client.get(path, request.query, accept=accept)
    columns = listed.get("columnDefinitions") or []
    if first:
        for found in [listed] if as_table else output.items_of(listed):
            write("ADDED", found)
    for event in follow(request.client, path, request.query, listed, accept=accept):
        found = event["object"]
        write(event["type"], {"columnDefinitions": columns, **found} if as_table else found)


def await_gone(client: Client, gone: Sequence[tuple[Resource, str, str, str]], timeout: float) -> None:
    """Until none of (resource, namespace, name, uid) is there. TimedOutError: not in `timeout` seconds (0: ever)."""
    deadline = time.monotonic() + timeout if timeout > 0 else None
    for resource, namespace, name, uid in gone:
        try:
            while not _is_gone(client, resource, namespace, name, uid, deadline):
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(RECONNECTING)
        except TimeoutError:
            raise TimedOutError(f"timed out waiting for the condition on {resource.plural}/{name}") from None


def _is_gone(client: Client, resource: Resource, namespace: str, name: str, uid: str, deadline: float | None) -> bool:
    """True once it is gone; False: the watch ended before."""
    path = resource.list_path(namespace)
    query = {"fieldSelector": f"metadata.name={name}"}
    listed = client.get(path, query)
    if not any(_uid(item) == uid for item in listed.get("items") or []):
        return True
    for event in changes(client, path, query, listed["metadata"]["resourceVersion"], deadline=deadline):
        if event["type"] == "DELETED" and _uid(event["object"]) == uid:
            return True
    return False


def _uid(item: dict[str, Any]) -> str:
    return str(_metadata(item).get("uid", ""))
