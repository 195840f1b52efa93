"""DELETE: a pod goes gracefully and the kubelet ends it; everything else goes once it has no finalizers any more."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

from aiohttp import web
from msgspec.structs import replace

from podrun.api import objects, status_errors, times
from podrun.controllers import namespaces
from podrun.server import answers, bodies, context, reading, resources
from podrun.store import ConflictError, NotFoundError, Store

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")


async def delete_one(request: web.Request) -> web.StreamResponse:
    kind = resources.kind_of(request)
    options = await _options(request)
    found = resources.existing(request, resources.type_of(kind), kind.plural)
    return answers.with_object(await _delete(context.of(request), found, options))


async def delete_list(request: web.Request) -> web.StreamResponse:
    kind = resources.kind_of(request)
    options = await _options(request)
    chosen, version = reading.listed(request, kind)
    gone = []
    for one in chosen:
        try:
            gone.append(await _delete(context.of(request), one, options))
        except NotFoundError:
            continue
    return web.Response(body=answers.listing(kind, gone, str(version)), content_type=answers.JSON)


@dataclass(frozen=True, slots=True)
class Options:
    """DeleteOptions of meta/v1: seconds of grace, None for the pod's own; the uid that the object must have."""

    grace: int | None
    uid: str | None
    dry_run: bool


async def _options(request: web.Request) -> Options:
    body = await bodies.read_options(request)
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    if grace is None:
        grace = context.integer(request, "gracePeriodSeconds", least=-(2**63))
    uid = preconditions.get("uid") if isinstance(preconditions, dict) else None
    if not isinstance(grace, int | None) or not isinstance(uid, str | None):
        raise status_errors.bad_request(
            "DeleteOptions: gracePeriodSeconds must be a number, preconditions.uid a string"
        )
    return Options(grace, uid, bool(body.get("dryRun")) or "dryRun" in request.query)


async def _delete(server: context.Context, found: objects.Object, options: Options) -> objects.Object:
    uid = options.uid or found.metadata.uid
    match found:
        case objects.Pod():
            return await _delete_pod(server, found, options, uid)
        case objects.Namespace():
            return await _delete_namespace(server, found, options, uid)
    if options.dry_run:
        return found
    namespace, name = found.metadata.namespace, found.metadata.name
    if found.metadata.finalizers:
        now = server.clock()
        marked = await server.store.update(
            type(found), namespace, name, lambda one: namespaces.marked(one, now), uid=uid
        )
        return await finish(server.store, marked)  # the last finalizer may have been taken away meanwhile
    return await server.store.delete(type(found), namespace, name, uid=uid)


async def _delete_namespace(
    server: context.Context, namespace: objects.Namespace, options: Options, uid: str
) -> objects.Namespace:
    """It goes when all that is in it has gone (podrun/controllers)."""
    name, now = namespace.metadata.name, server.clock()
    if name in PROTECTED_NAMESPACES:
        raise status_errors.forbidden("namespaces", name, "this namespace may not be deleted")
    if options.dry_run:
        return namespaces.terminating(namespace, now)
    return await server.store.update(objects.Namespace, "", name, lambda one: namespaces.terminating(one, now), uid=uid)


async def finish(store: Store, changed: objects.Object) -> objects.Object:
    """After a change: an object that is to go does so when its last finalizer is taken away. Pods and namespaces have
    their own ends."""
    metadata = changed.metadata
    if (
        isinstance(changed, objects.Pod | objects.Namespace)
        or metadata.deletion_timestamp is None
        or metadata.finalizers
    ):
        return changed
    with contextlib.suppress(NotFoundError, ConflictError):
        return await store.delete(type(changed), metadata.namespace, metadata.name, uid=metadata.uid)
    return changed


async def _delete_pod(server: context.Context, pod: objects.Pod, options: Options, uid: str) -> objects.Pod:
    store, (namespace, name) = server.store, (pod.metadata.namespace, pod.metadata.name)
    if options.dry_run:
        return with_deletion(pod, options.grace, server.clock())
    if options.grace == 0:
        return await store.delete(objects.Pod, namespace, name, uid=uid)
    now = server.clock()
    return await store.update(objects.Pod, namespace, name, lambda one: with_deletion(one, options.grace, now), uid=uid)


def with_deletion(pod: objects.Pod, grace: int | None, now: float) -> objects.Pod:
    """The pod as one that is to go within `grace` seconds (None: its own grace period) from `now`, Unix time.

    A deletion that has begun can only be shortened. A finished pod, and one that no node has taken, needs no grace.
    As CheckGracefulDelete in pkg/registry/core/pod and BeforeDelete in apiserver's registry/rest.
    """
    metadata = pod.metadata
    if metadata.deletion_timestamp is not None:
        before = metadata.deletion_grace_period_seconds or 0
        if grace is None or _at_least_one(grace) >= before:
            return pod
        seconds = _at_least_one(grace)
        began = times.unix_seconds(metadata.deletion_timestamp) - before
    else:
        own = pod.spec.termination_grace_period_seconds
        seconds = _at_least_one(grace if grace is not None else 30 if own is None else own)
        if not pod.spec.node_name or pod.status.phase in ("Succeeded", "Failed") or (grace is None and own == 0):
            seconds = 0
        began = now
    changed = replace(
        metadata,
        deletion_timestamp=times.rfc3339(math.floor(began) + seconds),
        deletion_grace_period_seconds=seconds,
    )
    return replace(pod, metadata=changed)


def _at_least_one(seconds: int) -> int:
    return max(seconds, 1)
