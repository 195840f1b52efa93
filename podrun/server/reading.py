"""GET of one object and of lists; a list with `watch=1` becomes a watch."""

from __future__ import annotations

from aiohttp import web

from podrun.api import kinds, objects
from podrun.server import answers, context, resources, selection, watching


async def get_one(request: web.Request) -> web.StreamResponse:
    kind = resources.kind_of(request)
    found = resources.existing(request, resources.type_of(kind), kind.plural)
    if answers.wants_table(request):
        version = found.metadata.resource_version
        body = answers.table(request, kind, [found], version, context.of(request).clock())
        return web.Response(body=body, content_type=answers.JSON)
    return answers.with_object(found)


async def get_list(request: web.Request) -> web.StreamResponse:
    kind = resources.kind_of(request)
    if context.boolean(request, "watch"):
        return await watching.watch(request, kind)
    items, version = listed(request, kind)
    if answers.wants_table(request):
        body = answers.table(request, kind, items, str(version), context.of(request).clock())
    else:
        body = answers.listing(kind, items, str(version))
    return web.Response(body=body, content_type=answers.JSON)


def listed(request: web.Request, kind: kinds.Kind) -> tuple[list[objects.Object], int]:
    """What the request's namespace and selectors choose, and the resourceVersion to watch from."""
    wanted = selection.of(request, kind)
    namespace = request.match_info.get("namespace")
    items, version = context.of(request).store.list(resources.type_of(kind), namespace)
    return [one for one in items if wanted(one)], version
