"""metrics.k8s.io/v1beta1, which `top` asks: what pods and the node take now."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from podrun.api import objects, selector, status_errors, times
from podrun.kubelet.meter import Usage, Use
from podrun.server import answers, context

VERSION = "metrics.k8s.io/v1beta1"
_VERBS = ["get", "list"]

Json = dict[str, Any]


async def resource_list(request: web.Request) -> web.StreamResponse:
    served = [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": _VERBS},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": _VERBS},
    ]
    return _answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": VERSION, "resources": served})


async def list_pods(request: web.Request) -> web.StreamResponse:
    labels = selector.parse_labels(request.query.get("labelSelector", ""))
    fields = selector.parse_fields(request.query.get("fieldSelector", ""), "Pod")
    server = context.of(request)
    pods, version = server.store.list(objects.Pod, request.match_info.get("namespace"))
    usage = await server.agent.usage()
    items = [
        found
        for pod in pods
        if labels.matches(pod.metadata.labels) and fields.matches(pod) and (found := _pod(pod, usage))
    ]
    return _listing("PodMetricsList", items, version)


async def get_pod(request: web.Request) -> web.StreamResponse:
    server, name = context.of(request), request.match_info["name"]
    pod = server.store.get(objects.Pod, request.match_info["namespace"], name)
    found = _pod(pod, await server.agent.usage()) if pod is not None else None
    if found is None:
        raise status_errors.not_found("pods.metrics.k8s.io", name)
    return _answer(found)


async def list_nodes(request: web.Request) -> web.StreamResponse:
    labels = selector.parse_labels(request.query.get("labelSelector", ""))
    server = context.of(request)
    nodes, version = server.store.list(objects.Node, None)
    usage = await server.agent.usage()
    return _listing(
        "NodeMetricsList", [_node(one, usage) for one in nodes if labels.matches(one.metadata.labels)], version
    )


async def get_node(request: web.Request) -> web.StreamResponse:
    server, name = context.of(request), request.match_info["name"]
    node = server.store.get(objects.Node, "", name)
    if node is None:
        raise status_errors.not_found("nodes.metrics.k8s.io", name)
    return _answer(_node(node, await server.agent.usage()))


def _pod(pod: objects.Pod, usage: Usage) -> Json | None:
    """None: nothing of it runs."""
    containers = [
        {"name": name, "usage": _use(use)} for (uid, name), use in usage.containers.items() if uid == pod.metadata.uid
    ]
    if not containers:
        return None
    return {**_head("PodMetrics", pod, usage), "containers": sorted(containers, key=lambda one: str(one["name"]))}


def _node(node: objects.Node, usage: Usage) -> Json:
    return {**_head("NodeMetrics", node, usage), "usage": _use(usage.machine)}


def _head(kind: str, found: objects.Object, usage: Usage) -> Json:
    metadata = {"name": found.metadata.name, "creationTimestamp": times.rfc3339(usage.time)}
    if found.metadata.namespace:
        metadata["namespace"] = found.metadata.namespace
    labels = {"labels": found.metadata.labels} if found.metadata.labels else {}
    return {
        "kind": kind,
        "apiVersion": VERSION,
        "metadata": {**metadata, **labels},
        "timestamp": times.rfc3339(usage.time),
        "window": f"{usage.window:.3f}s",
    }


def _use(use: Use) -> dict[str, str]:
    return {"cpu": f"{use.cpu}n", "memory": f"{use.memory // 1024}Ki"}


def _listing(kind: str, items: list[Json], version: int) -> web.Response:
    metadata = {"resourceVersion": str(version)}
    return _answer({"kind": kind, "apiVersion": VERSION, "metadata": metadata, "items": items})


def _answer(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=answers.JSON)
