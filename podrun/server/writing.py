"""POST, PUT and PATCH of single objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace

from podrun.api import kinds, objects, parse, status_errors
from podrun.server import (
    accounts,
    admission,
    answers,
    applying,
    bodies,
    context,
    deletion,
    json_patch,
    merging,
    resources,
)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

_ANNOTATOR = "kubectl-last-applied"
"""As whom `kubectl apply --server-side` sends, after the object, one annotation and nothing else of it."""

_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    JSON_PATCH: json_patch.apply,
    MERGE_PATCH: merging.merge_patch,
    STRATEGIC_MERGE_PATCH: merging.strategic_merge_patch,
}


async def create(request: web.Request) -> web.StreamResponse:
    kind = _creatable(request)
    namespace = request.match_info.get("namespace", "")
    sent = await bodies.read_object(request, kind)
    admission.check_namespace(sent.metadata, kind, namespace)
    new = admission.admit(sent, kind, namespace)
    if kind.namespaced:
        resources.check_namespace(request, namespace)
    accounts.check_account(context.of(request).store, new)
    if "dryRun" not in request.query:
        new = await context.of(request).store.create(new)
    return answers.with_change(new, 201)


async def put(request: web.Request) -> web.StreamResponse:
    """Replace metadata and spec; the status stays."""
    sent = await _sent(request)
    return answers.with_change(await _change(request, sent, lambda old: admission.admit_change(sent, old)))


async def put_status(request: web.Request) -> web.StreamResponse:
    """Replace the status only."""
    _check_has_status(request)
    sent = await _sent(request)
    return answers.with_object(
        await _change(request, sent, lambda old: admission.admit_status(sent, old), durable=False)
    )


async def patch(request: web.Request) -> web.StreamResponse:
    if request.content_type == bodies.APPLY_PATCH:
        return await _apply(request)
    return await _merge(request, admission.admit_change, (*_MERGES, bodies.APPLY_PATCH))


async def patch_status(request: web.Request) -> web.StreamResponse:
    """Merge into the status only."""
    _check_has_status(request)
    return await _merge(request, admission.admit_status, tuple(_MERGES), durable=False)


async def put_resize(request: web.Request) -> web.StreamResponse:
    """Replace the resources of containers only."""
    sent = await _sent(request)
    return answers.with_change(await _change(request, sent, lambda old: admission.admit_resize(sent, old)))


async def patch_resize(request: web.Request) -> web.StreamResponse:
    """Merge into the resources of containers only."""
    return await _merge(request, admission.admit_resize, tuple(_MERGES))


async def put_ephemeral_containers(request: web.Request) -> web.StreamResponse:
    """Replace the list of a pod's ephemeral containers, which may only grow."""
    sent = await _sent(request)
    return answers.with_object(
        await _change(request, sent, lambda old: admission.admit_ephemeral_containers(sent, old))
    )


async def patch_ephemeral_containers(request: web.Request) -> web.StreamResponse:
    return await _merge(request, admission.admit_ephemeral_containers, tuple(_MERGES))


def _creatable(request: web.Request) -> kinds.Kind:
    kind = resources.kind_of(request)
    if kind.name not in resources.CREATABLE or kind.namespaced != ("namespace" in request.match_info):
        raise status_errors.method_not_allowed()
    return kind


def _check_has_status(request: web.Request) -> None:
    if "status" not in resources.type_of(resources.kind_of(request)).__struct_fields__:
        raise status_errors.path_not_found()


async def _sent(request: web.Request) -> objects.Object:
    """The body as an object that agrees with the path."""
    kind = resources.kind_of(request)
    namespace, name = resources.place_of(request)
    sent = await bodies.read_object(request, kind)
    admission.check_namespace(sent.metadata, kind, namespace)
    if sent.metadata.name != name:
        message = f"the name of the object ({sent.metadata.name}) does not match the name on the URL ({name})"
        raise status_errors.bad_request(message)
    return sent


async def _change(request: web.Request, sent: objects.Object, change: Any, *, durable: bool = True) -> objects.Object:
    namespace, name = resources.place_of(request)
    if "dryRun" in request.query:
        return change(resources.existing(request, type(sent), resources.kind_of(request).plural))  # type: ignore[no-any-return]
    store = context.of(request).store
    changed = await store.update(
        type(sent),
        namespace,
        name,
        change,
        durable=durable,
        resource_version=sent.metadata.resource_version or None,
        uid=sent.metadata.uid or None,
    )
    return await deletion.finish(store, changed)


async def _apply(request: web.Request) -> web.StreamResponse:
    sent = await _sent(request)
    if request.query.get("fieldManager") == _ANNOTATOR:
        return answers.with_change(await _change(request, sent, lambda old: _annotated(old, sent)))
    kind = resources.kind_of(request)
    server = context.of(request)
    wish = applying.wish(sent, kind, request.match_info.get("namespace", ""))
    if kind.namespaced:
        resources.check_namespace(request, request.match_info["namespace"])
    accounts.check_account(server.store, wish.new)
    outcome = await applying.carry_out(server.store, wish, dry_run="dryRun" in request.query)
    return answers.with_object(outcome.object, 201 if outcome.result == "created" else 200)


def _annotated(old: objects.Object, sent: objects.Object) -> objects.Object:
    annotations = {**old.metadata.annotations, **sent.metadata.annotations}
    return admission.admit_change(replace(old, metadata=replace(old.metadata, annotations=annotations)), old)


async def _merge(
    request: web.Request,
    change: Callable[[objects.Object, objects.Object], objects.Object],
    accepted: tuple[str, ...],
    *,
    durable: bool = True,
) -> web.StreamResponse:
    """`change` makes the object to be stored of the merged one and the one before."""
    merge = _MERGES.get(request.content_type)
    if merge is None:
        unknown = f"the body of the request was in an unknown format ({request.content_type})"
        raise status_errors.unsupported_media_type(f"{unknown} - accepted media types include: {', '.join(accepted)}")
    kind = resources.kind_of(request)
    as_list = request.content_type == JSON_PATCH
    changes = await (bodies.read_json_list(request) if as_list else bodies.read_json(request))

    def merged(old: objects.Object) -> objects.Object:
        try:
            patched = merge(msgspec.json.decode(kinds.to_json(old)), changes)
        except json_patch.PatchError as error:
            text = f"the server rejected our request due to an error in our request: {error}"
            raise status_errors.StatusError(422, "Invalid", text) from None
        value = parse.from_value(patched)
        new = bodies.of_kind(value, kind)
        if (new.metadata.name, new.metadata.namespace) != (old.metadata.name, old.metadata.namespace):
            raise status_errors.bad_request("the name and the namespace of an object can't be patched")
        return change(new, old)

    current = resources.existing(request, resources.type_of(kind), kind.plural)
    metadata = {} if isinstance(changes, list) else changes.get("metadata")
    wanted = (metadata or {}).get("resourceVersion") or ""
    expected = replace(current, metadata=objects.ObjectMeta(resource_version=wanted))
    return answers.with_change(await _change(request, expected, merged, durable=durable))
