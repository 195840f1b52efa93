"""What a Kubernetes client asks first: versions, API groups, resources; and whether the kubelet is well."""

from __future__ import annotations

import platform
from typing import Any

import msgspec
from aiohttp import web

import podrun
from podrun.api import kinds, openapi
from podrun.server import answers, context, metrics_api, resources

KUBERNETES = ("1", "33")
"""The minor version whose API this follows; clients compare it with their own."""

_VERBS = ("delete", "deletecollection", "get", "list", "watch")
_CHANGING = ("patch", "update")
_SUBRESOURCES = (
    ("nodes/status", "Node", ("get", "patch", "update")),
    ("pods/attach", "PodAttachOptions", ("create", "get")),
    ("pods/ephemeralcontainers", "Pod", ("get", "patch", "update")),
    ("pods/exec", "PodExecOptions", ("create", "get")),
    ("pods/log", "Pod", ("get",)),
    ("pods/portforward", "PodPortForwardOptions", ("create", "get")),
    ("pods/resize", "Pod", ("get", "patch", "update")),
    ("pods/status", "Pod", ("get", "patch", "update")),
)


async def health(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


async def version(request: web.Request) -> web.StreamResponse:
    major, minor = KUBERNETES
    return _answer(
        {
            "major": major,
            "minor": minor,
            "gitVersion": f"v{major}.{minor}.0+podrun-{podrun.__version__}",
            "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": platform.python_implementation(),
            "platform": f"linux/{platform.machine()}",
        }
    )


async def api_versions(request: web.Request) -> web.StreamResponse:
    return _answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})


async def api_groups(request: web.Request) -> web.StreamResponse:
    version = {"groupVersion": metrics_api.VERSION, "version": "v1beta1"}
    group = {"name": "metrics.k8s.io", "versions": [version], "preferredVersion": version}
    return _answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]})


async def core_resources(request: web.Request) -> web.StreamResponse:
    served = [_resource(kind) for kind in kinds.KINDS if kind.name in resources.SERVED]
    parts = [
        {"name": name, "singularName": "", "namespaced": kind != "Node", "kind": kind, "verbs": verbs}
        for name, kind, verbs in _SUBRESOURCES
    ]
    return _answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": served + parts})


async def openapi_index(request: web.Request) -> web.StreamResponse:
    """Where the documents are. metrics.k8s.io has none: nothing of it can be sent."""
    return _answer({"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}})


async def openapi_document(request: web.Request) -> web.StreamResponse:
    """Made for each request: kubectl asks rarely, and what would be kept for it is large."""
    served = [
        (kind, kind.name in resources.CREATABLE, kind.name in resources.CHANGEABLE)
        for kind in kinds.KINDS
        if kind.name in resources.SERVED
    ]
    return _answer(openapi.document(served, podrun.__version__))


async def info(request: web.Request) -> web.StreamResponse:
    """What `system info` shows."""
    return _answer(context.of(request).agent.info())


def _resource(kind: kinds.Kind) -> dict[str, Any]:
    changing = _CHANGING if kind.name in resources.CHANGEABLE else ()
    creating = ("create",) if kind.name in resources.CREATABLE else ()
    verbs = sorted((*_VERBS, *changing, *creating))
    described: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": verbs,
    }
    if kind.short_names:
        described["shortNames"] = kind.short_names
    if kind.name == "Pod":
        described["categories"] = ["all"]
    return described


def _answer(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=answers.JSON)
