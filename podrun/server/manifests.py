"""Whole manifest files, which Kubernetes' API has no word for: apply them, or say what they name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from podrun.api import kinds, objects, status_errors
from podrun.api.status_errors import StatusError
from podrun.server import accounts, answers, applying, bodies, context, failures, resources
from podrun.server.applying import Outcome, Wish

DEFAULT_NAMESPACE = "default"


async def apply(request: web.Request) -> web.StreamResponse:
    """Every object of the file: all are parsed and checked before the first one is stored.

    A file that does not parse is refused with one Status, and so nothing of it is stored. If any object is invalid,
    none is stored; each result says what is wrong with its object.
    """
    server = context.of(request)
    parsed = await bodies.read_objects(request)
    checked = [_checked(request, one) for one in parsed]
    if any(isinstance(one, StatusError) for one in checked):
        return _answer(
            [_result(request, one, _outcome_of_refused(each)) for one, each in zip(parsed, checked, strict=True)]
        )
    dry_run = bool(request.query.get("dryRun"))
    results = []
    for one, wish in zip(parsed, checked, strict=True):
        assert isinstance(wish, Wish)
        try:
            if not (dry_run and _makes(parsed, objects.Namespace, wish.new.metadata.namespace)):
                _check_namespace(request, wish)
            if not (dry_run and _makes(parsed, objects.ServiceAccount, _account(wish.new))):
                accounts.check_account(server.store, wish.new)
            outcome: Outcome | StatusError = await applying.carry_out(server.store, wish, dry_run=dry_run)
        except Exception as error:
            outcome = failures.as_status_error(error, request)
        results.append(_result(request, one, outcome))
    return _answer(results)


async def decode(request: web.Request) -> web.StreamResponse:
    """Kind, namespace and name of every object of the file, and the object as it was written."""
    parsed = await bodies.read_objects(request)
    return _answer([_named(request, one) | {"object": one} for one in parsed])


def _checked(request: web.Request, one: objects.Object) -> Wish | StatusError:
    try:
        kind = kinds.find("v1", type(one).__name__)
        if kind is None or kind.name not in resources.CREATABLE:
            name = type(one).__name__
            raise StatusError(
                404, "NotFound", f'cannot apply {name} "{one.metadata.name}": podrun does not carry out this kind yet'
            )
        return applying.wish(one, kind, _namespace(request, one))
    except StatusError as error:
        return error


def _namespace(request: web.Request, one: objects.Object) -> str:
    """That of the query is one that the user insists on; without it, the object's own."""
    wanted, own = request.query.get("namespace", ""), one.metadata.namespace
    if wanted and own and own != wanted:
        raise status_errors.bad_request(
            f'the namespace from the provided object "{own}" does not match the namespace "{wanted}". '
            f"You must pass '--namespace={own}' to perform this operation."
        )
    return wanted or own or DEFAULT_NAMESPACE


def _check_namespace(request: web.Request, wish: Wish) -> None:
    if wish.kind.namespaced:
        resources.check_namespace(request, wish.new.metadata.namespace)


def _account(new: objects.Object) -> str:
    return (new.spec.service_account_name or "") if isinstance(new, objects.Pod) else ""


def _makes(parsed: Sequence[objects.Object], kind: type[objects.Object], name: str) -> bool:
    """Whether the file itself makes what an object of it needs."""
    return any(isinstance(one, kind) and one.metadata.name == name for one in parsed)


def _outcome_of_refused(each: Wish | StatusError) -> StatusError | None:
    return each if isinstance(each, StatusError) else None


def _named(request: web.Request, one: objects.Object) -> dict[str, object]:
    kind = kinds.find("v1", type(one).__name__)
    namespaced = kind is None or kind.namespaced
    namespace = request.query.get("namespace", "") or one.metadata.namespace or DEFAULT_NAMESPACE
    return {"kind": type(one).__name__, "namespace": namespace if namespaced else "", "name": one.metadata.name}


def _result(request: web.Request, one: objects.Object, outcome: Outcome | StatusError | None) -> dict[str, object]:
    done = outcome if isinstance(outcome, Outcome) else None
    named = _named(request, done.object if done else one)
    return named | {
        "result": done.result if done else None,
        "object": done.object if done else None,
        "error": failures.status(outcome) if isinstance(outcome, StatusError) else None,
        "warnings": done.warnings if done else (),
    }


def _answer(results: list[dict[str, object]]) -> web.Response:
    return web.Response(body=msgspec.json.encode({"results": results}), content_type=answers.JSON)
