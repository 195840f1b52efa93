"""Which kinds are served, and the object, kind or namespace that a path means."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from podrun.api import kinds, objects, status_errors
from podrun.server import context
from podrun.store.kinds import T

CREATABLE = ("Pod", "Namespace", "ConfigMap", "Secret", "PersistentVolumeClaim", "PersistentVolume", "ServiceAccount")
SERVED = (*CREATABLE, "Node", "Event")
CHANGEABLE = (*CREATABLE, "Node")

Object = objects.Object


def kind_of(request: web.Request) -> kinds.Kind:
    """The kind named by `{resource}`. StatusError 404: no such one, or not with (or without) a namespace."""
    word = request.match_info["resource"]
    kind = kinds.find_resource(word)
    namespaced = "namespace" in request.match_info
    if kind is None or kind.plural != word or kind.name not in SERVED or (namespaced and not kind.namespaced):
        raise status_errors.path_not_found()
    if kind.namespaced and not namespaced and "name" in request.match_info:
        raise status_errors.path_not_found()
    return kind


def type_of(kind: kinds.Kind) -> type[Object]:
    return cast("type[Object]", kind.type)


def place_of(request: web.Request) -> tuple[str, str]:
    """Namespace ("" outside of namespaces) and name."""
    return request.match_info.get("namespace", ""), request.match_info["name"]


def existing(request: web.Request, type_: type[T], plural: str) -> T:
    """The object that the path names. StatusError: not found."""
    namespace, name = place_of(request)
    found = context.of(request).store.get(type_, namespace, name)
    if found is None:
        raise status_errors.not_found(plural, name)
    return found


def existing_pod(request: web.Request) -> objects.Pod:
    return existing(request, objects.Pod, "pods")


def check_namespace(request: web.Request, namespace: str) -> None:
    """StatusError: there is no such namespace to create something in, or it is going."""
    found = context.of(request).store.get(objects.Namespace, "", namespace)
    if found is None:
        raise status_errors.not_found("namespaces", namespace)
    if found.metadata.deletion_timestamp is not None:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise status_errors.forbidden("namespaces", namespace, why)
