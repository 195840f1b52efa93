"""`podrun wait`: until objects have a condition or a value, are there, or are gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import jsonpath, output, selecting, watching
from podrun.cli.client import RECONNECTING, Client
from podrun.cli.failures import QuietFailureError, StatusFailure, not_found
from podrun.cli.selecting import Choice, Named
from podrun.errors import PodrunError

EXAMPLES = """
# Wait for the pod web to contain the status condition of type Ready
podrun wait --for=condition=Ready pod/web

# The default value of status condition is true; other values stand after an equal sign
podrun wait --for=condition=Ready=false pod/web

# Wait for the pod web to contain the status phase to be Running
podrun wait --for=jsonpath='{.status.phase}'=Running pod/web

# Wait for the pod web to have an address
podrun wait --for=jsonpath='{.status.podIP}' pod/web

# Wait for the pod web to be there, or to be gone, with a timeout of 60s
podrun wait --for=create pod/web --timeout=60s
podrun wait --for=delete pod/web --timeout=60s
"""

A_WEEK = 168 * 3600.0
PATH_FORMAT = (
    "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
    "--for=jsonpath='{.status.readyReplicas}'"
)

Check = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Gone: ...


@dataclass(frozen=True, slots=True)
class There: ...


Wanted = Gone | There | Check


@click.command(
    "wait",
    cls=shared.Verb,
    synopsis="([-f FILENAME] | TYPE/NAME | TYPE [(-l label | --all)]) "
    "[--for=create|--for=delete|--for=condition=NAME[=VALUE]|--for=jsonpath='{}'[=VALUE]] [options]",
    examples=EXAMPLES,
    help="Wait for a specific condition on one or many resources.",
)
@shared.choice_options
@click.option("--for", "wish", default="", help="create, delete, condition=NAME[=VALUE] or jsonpath='{PATH}'[=VALUE].")
@shared.timeout_option("30s", "How long to wait. Zero: check once and don't wait; negative: wait for a week.")
@shared.output_option
@click.pass_obj
def command(session: shared.Session, choice: Choice, wish: str, timeout: float, form: str) -> None:
    wanted = read_wish(wish)
    doing = output.Doing(form)
    client = session.client
    deadline = time.monotonic() + (A_WEEK if timeout < 0 else timeout)
    once = timeout == 0
    if isinstance(wanted, There):
        if choice.by_selector:
            raise PodrunError("--for=create waits for named objects only")
        for one in selecting.find(client, choice):
            doing.done(one.title, "condition met", _until_there(client, one, deadline, once=once))
        return
    found = _present(client, selecting.find(client, choice), gone=isinstance(wanted, Gone))
    if not found and not isinstance(wanted, Gone):
        raise PodrunError("no matching resources found")
    late: list[str] = []
    for one in found:
        try:
            if isinstance(wanted, Gone):
                _until_gone(client, one, deadline, once=once)
                doing.done(one.title, "condition met", one.manifest or {})
            else:
                doing.done(one.title, "condition met", _until(client, one, wanted, deadline, once=once))
        except watching.TimedOutError as error:
            late.append(error.message)  # of the others it is said how they are now
    if late:
        print("\n".join(f"error: {text}" for text in late), file=sys.stderr)
        raise QuietFailureError


def read_wish(text: str) -> Wanted:
    """What --for says. PodrunError: nothing that can be waited for."""
    if text.lower() == "delete":
        return Gone()
    if text.lower() == "create":
        return There()
    kind, _, rest = text.partition("=")
    if kind == "condition" and rest:
        name, equals, value = rest.partition("=")
        return _has_condition(name, value if equals else "true")
    if kind == "jsonpath":
        return _has_value(rest)
    raise PodrunError(f'unrecognized condition: "{text}"')


def _has_condition(name: str, value: str) -> Check:
    def check(found: dict[str, Any]) -> bool:
        status = found.get("status") or {}
        for condition in status.get("conditions") or []:
            if condition.get("type", "").casefold() != name.casefold() or "status" not in condition:
                continue
            seen = condition.get("observedGeneration", status.get("observedGeneration"))
            if seen is not None and seen < found["metadata"].get("generation", 0):
                return False
            return bool(condition["status"].casefold() == value.casefold())
        return False

    return check


def _has_value(text: str) -> Check:
    """`{.status.phase}=Running`, or the path alone: it has any value."""
    path, equals, value = _split_path(text)
    if not path:
        raise PodrunError("jsonpath expression cannot be empty")
    if equals and not value:
        raise PodrunError("jsonpath wait has to have a value after equal sign")
    template = jsonpath.compile_relaxed(path)
    wanted = value.strip("'\"").strip()

    def check(found: dict[str, Any]) -> bool:
        results = template.find(found)
        if not results or not results[0]:
            return False
        if len(results) > 1:
            raise PodrunError("given jsonpath expression matches more than one list")
        if not equals:
            return True
        if len(results[0]) > 1:
            raise PodrunError("given jsonpath expression matches more than one value")
        if isinstance(results[0][0], dict | list):
            raise PodrunError("jsonpath leads to a nested object or list which is not supported")
        return jsonpath.as_go_text(results[0][0]).strip() == wanted

    return check


def _split_path(text: str) -> tuple[str, bool, str]:
    """At the equal sign after the braces: one inside belongs to a filter."""
    if text.startswith("{"):
        path, brace, rest = text.rpartition("}")
        if not brace or (rest and not rest.startswith("=")):
            raise PodrunError(PATH_FORMAT)
        return path + brace, bool(rest), rest[1:]
    path, equals, value = text.partition("=")
    if "=" in value:
        raise PodrunError(PATH_FORMAT)
    return path, bool(equals), value


def _present(client: Client, named: list[Named], *, gone: bool) -> list[Named]:
    """Those that are there now. StatusFailure: one is not, and it is not `gone` that is wanted."""
    present = []
    for one in named:
        try:
            present.append(Named(one.resource, one.namespace, one.name, client.get(one.path)))
        except StatusFailure as error:
            if error.reason != "NotFound" or not gone:
                raise
    return present


def _until(client: Client, one: Named, check: Check, deadline: float, *, once: bool) -> dict[str, Any]:
    path, query = one.resource.list_path(one.namespace), {"fieldSelector": f"metadata.name={one.name}"}
    while True:
        listed = client.get(path, query)
        items = output.items_of(listed)
        if not items:
            raise not_found(one.resource.plural, one.name)
        if check(items[0]):
            return items[0]
        if once:
            raise PodrunError(f"condition not met for {one.resource.plural}/{one.name}")
        version = listed["metadata"]["resourceVersion"]
        try:
            for event in watching.changes(client, path, query, version, deadline=deadline):
                if event["type"] == "DELETED":
                    break
                if event["type"] != "BOOKMARK" and check(event["object"]):
                    return dict(event["object"])
        except TimeoutError:
            raise _timed_out(one) from None
        _pause(one, deadline)


def _until_gone(client: Client, one: Named, deadline: float, *, once: bool) -> None:
    if once:
        raise PodrunError(f"condition not met for {one.resource.plural}/{one.name}")
    uid = (one.manifest or {})["metadata"].get("uid", "")
    seconds = max(deadline - time.monotonic(), 0.001)
    try:
        watching.await_gone(client, [(one.resource, one.namespace, one.name, uid)], seconds)
    except watching.TimedOutError:
        raise _timed_out(one) from None


def _until_there(client: Client, one: Named, deadline: float, *, once: bool) -> dict[str, Any]:
    path, query = one.resource.list_path(one.namespace), {"fieldSelector": f"metadata.name={one.name}"}
    while True:
        listed = client.get(path, query)
        if items := output.items_of(listed):
            return items[0]
        if once:
            raise not_found(one.resource.plural, one.name)
        version = listed["metadata"]["resourceVersion"]
        try:
            for event in watching.changes(client, path, query, version, deadline=deadline):
                if event["type"] in ("ADDED", "MODIFIED"):
                    return dict(event["object"])
        except TimeoutError:
            raise _timed_out(one) from None
        _pause(one, deadline)


def _pause(one: Named, deadline: float) -> None:
    """Before a watch that the server ended is asked for again."""
    if time.monotonic() > deadline:
        raise _timed_out(one)
    time.sleep(RECONNECTING)


def _timed_out(one: Named) -> watching.TimedOutError:
    return watching.TimedOutError(f"timed out waiting for the condition on {one.resource.plural}/{one.name}")
