"""All that the API server answers to: method, path, function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from podrun.server import (
    anatomy,
    authorization,
    copying,
    deletion,
    discovery,
    execution,
    explaining,
    forwarding,
    image_streams,
    images,
    logs,
    manifests,
    metrics,
    metrics_api,
    reading,
    writing,
)

_ALL = "/api/v1/{resource}"
_ONE = "/api/v1/{resource}/{name}"
_NODE_STATUS = "/api/v1/{resource:nodes}/{name}/status"
_NAMESPACED = "/api/v1/namespaces/{namespace}/{resource}"
_NAMESPACED_ONE = "/api/v1/namespaces/{namespace}/{resource}/{name}"
_PODS_ONE = "/api/v1/namespaces/{namespace}/{resource:pods}/{name}"
_POD = "/api/v1/namespaces/{namespace}/pods/{name}"
_RESIZE = "/api/v1/namespaces/{namespace}/{resource:pods}/{name}/resize"
_METRICS = f"/apis/{metrics_api.VERSION}"
_OWN_POD = "/podrun/v1/namespaces/{namespace}/pods/{name}"

Function = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, Function], ...] = (
    ("GET", "/healthz", discovery.health),
    ("GET", "/readyz", discovery.health),
    ("GET", "/livez", discovery.health),
    ("GET", "/version", discovery.version),
    ("GET", "/api", discovery.api_versions),
    ("GET", "/apis", discovery.api_groups),
    ("GET", "/api/v1", discovery.core_resources),
    ("GET", "/openapi/v3", discovery.openapi_index),
    ("GET", "/openapi/v3/api/v1", discovery.openapi_document),
    ("GET", f"{_POD}/log", logs.read_log),
    ("GET", f"{_POD}/portforward", forwarding.forward),
    ("POST", f"{_POD}/portforward", forwarding.forward),
    ("GET", f"{_OWN_POD}/files", copying.read),
    ("PUT", f"{_OWN_POD}/files", copying.write),
    ("GET", f"{_POD}/exec", execution.execute),
    ("POST", f"{_POD}/exec", execution.execute),
    ("GET", f"{_POD}/attach", execution.attach),
    ("POST", f"{_POD}/attach", execution.attach),
    ("GET", _RESIZE, reading.get_one),
    ("PUT", _RESIZE, writing.put_resize),
    ("PATCH", _RESIZE, writing.patch_resize),
    ("GET", _NODE_STATUS, reading.get_one),
    ("PUT", _NODE_STATUS, writing.put_status),
    ("PATCH", _NODE_STATUS, writing.patch_status),
    ("GET", f"{_NAMESPACED_ONE}/status", reading.get_one),
    ("PUT", f"{_NAMESPACED_ONE}/status", writing.put_status),
    ("PATCH", f"{_NAMESPACED_ONE}/status", writing.patch_status),
    ("GET", f"{_PODS_ONE}/ephemeralcontainers", reading.get_one),
    ("PUT", f"{_PODS_ONE}/ephemeralcontainers", writing.put_ephemeral_containers),
    ("PATCH", f"{_PODS_ONE}/ephemeralcontainers", writing.patch_ephemeral_containers),
    ("GET", _ALL, reading.get_list),
    ("GET", _NAMESPACED, reading.get_list),
    ("GET", _ONE, reading.get_one),
    ("GET", _NAMESPACED_ONE, reading.get_one),
    ("POST", _ALL, writing.create),
    ("POST", _NAMESPACED, writing.create),
    ("PUT", _ONE, writing.put),
    ("PUT", _NAMESPACED_ONE, writing.put),
    ("PATCH", _ONE, writing.patch),
    ("PATCH", _NAMESPACED_ONE, writing.patch),
    ("DELETE", _NAMESPACED, deletion.delete_list),
    ("DELETE", _ONE, deletion.delete_one),
    ("DELETE", _NAMESPACED_ONE, deletion.delete_one),
    ("PATCH", "/podrun/v1/apply", manifests.apply),
    ("POST", "/podrun/v1/decode", manifests.decode),
    ("GET", "/podrun/v1/images", images.listing),
    ("POST", "/podrun/v1/images/import", images.import_),
    ("POST", "/podrun/v1/images/load", images.load),
    ("DELETE", "/podrun/v1/images", images.remove),
    ("POST", "/podrun/v1/images/pull", image_streams.pull),
    ("GET", "/podrun/v1/images/save", image_streams.save),
    ("GET", "/podrun/v1/images/inspect", images.inspect),
    ("POST", "/podrun/v1/images/tag", images.tag),
    ("POST", "/podrun/v1/images/prune", images.prune),
    ("POST", "/podrun/v1/images/login", images.log_in),
    ("POST", "/podrun/v1/images/logout", images.log_out),
    ("GET", "/podrun/v1/info", discovery.info),
    ("GET", "/podrun/v1/namespaces/{namespace}/pods/{name}/anatomy", anatomy.read),
    ("GET", "/podrun/v1/explain", explaining.show),
    ("GET", "/metrics", metrics.own),
    ("GET", "/metrics/resource", metrics.resource),
    ("GET", "/metrics/probes", metrics.probes),
    ("POST", f"/apis/{authorization.VERSION}/selfsubjectaccessreviews", authorization.review_access),
    ("POST", f"/apis/{authorization.VERSION}/selfsubjectrulesreviews", authorization.review_rules),
    ("POST", f"/apis/{authorization.IDENTITY_VERSION}/selfsubjectreviews", authorization.review_identity),
    ("GET", _METRICS, metrics_api.resource_list),
    ("GET", f"{_METRICS}/pods", metrics_api.list_pods),
    ("GET", f"{_METRICS}/namespaces/{{namespace}}/pods", metrics_api.list_pods),
    ("GET", f"{_METRICS}/namespaces/{{namespace}}/pods/{{name}}", metrics_api.get_pod),
    ("GET", f"{_METRICS}/nodes", metrics_api.list_nodes),
    ("GET", f"{_METRICS}/nodes/{{name}}", metrics_api.get_node),
)
