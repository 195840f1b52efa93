"""The OpenAPI v3 document of the core API, made of the typed objects: what kubectl asks before it sends. Pure.

Names of schemas and extensions are Kubernetes' own (kube-openapi), since its clients look for them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any

from podrun.api import explanations, kinds, objects
from podrun.api.objects.struct import IntOrString, KubeStruct, Marker

Json = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_CORE = "io.k8s.api.core.v1."
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_IN_META = frozenset(
    (
        *(objects.ObjectMeta, objects.ListMeta, objects.OwnerReference, objects.ManagedFieldsEntry),
        *(objects.LabelSelector, objects.LabelSelectorRequirement),
    )
)
_SCALARS: dict[str, tuple[str, Json]] = {
    "resource.Quantity": (_QUANTITY, {"oneOf": [{"type": "string"}, {"type": "number"}]}),
    "v1.Time": (f"{_META}Time", {"type": "string", "format": "date-time"}),
    "v1.MicroTime": (f"{_META}MicroTime", {"type": "string", "format": "date-time"}),
}
"""Scalars that have a schema of their own, by their Go type."""

_CHANGING = {
    "dryRun": "All: nothing is stored, the answer is what would have been.",
    "fieldManager": "Who makes the change. Taken, and not kept.",
    "fieldValidation": "Unknown and duplicate fields are refused, whatever is asked for.",
}


def document(served: Iterable[tuple[kinds.Kind, bool, bool]], version: str) -> Json:
    """`served`: each kind, whether it can be created, whether it can be changed."""
    schemas = _Schemas()
    paths: Json = {}
    for kind, is_creatable, is_changeable in served:
        schemas.add_kind(kind)
        base = f"/api/v1/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"/api/v1/{kind.plural}"
        paths[base] = {"get": _operation(kind, "list")}
        paths[f"{base}/{{name}}"] = {"get": _operation(kind, "get")}
        if is_creatable:
            paths[base]["post"] = _operation(kind, "post")
        if is_changeable:
            # Without content types of patches: clients then merge by their own tables, which are complete.
            paths[f"{base}/{{name}}"] |= {"put": _operation(kind, "put"), "patch": _operation(kind, "patch")}
    return {
        "openapi": "3.0.0",
        "info": {"title": "podrun", "version": version},
        "paths": paths,
        "components": {"schemas": schemas.made},
    }


def _operation(kind: kinds.Kind, action: str) -> Json:
    changing = _CHANGING if action in ("post", "put", "patch") else {}
    operation: Json = {
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in changing.items()
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _name_of(kind),
    }
    if action in ("post", "put"):
        content = {"schema": {"$ref": _reference(f"{_CORE}{kind.name}")}}
        operation["requestBody"] = {"content": {"application/json": content}}
    return operation


def _name_of(kind: kinds.Kind) -> dict[str, str]:
    return {"group": "", "version": kind.api_version, "kind": kind.name}


def _reference(name: str) -> str:
    return f"#/components/schemas/{name}"


class _Schemas:
    """Grows with every type that is referred to."""

    def __init__(self) -> None:
        self.made: dict[str, Json] = {}

    def add_kind(self, kind: kinds.Kind) -> None:
        name = self._struct(kind.type)
        self.made[name]["x-kubernetes-group-version-kind"] = [_name_of(kind)]

    def _struct(self, type_: type[KubeStruct]) -> str:
        """The name of its schema, which is made, with all that is in it."""
        name = f"{_META if type_ in _IN_META else _CORE}{type_.__name__}"
        if name not in self.made:
            made: Json = {"type": "object"}
            self.made[name] = made  # before its fields, since types may hold themselves
            if text := explanations.description(type_):
                made["description"] = text
            fields = explanations.fields_of(type_)
            made["properties"] = {field: self._property(type_, field, hint) for field, hint in fields.items()}
            if required := [field for field in fields if explanations.is_required(type_, field)]:
                made["required"] = required
        return name

    def _property(self, holder: type[KubeStruct], field: str, hint: Any) -> Json:
        schema, text = self._schema(hint), explanations.description(holder, field)
        # Beside a $ref nothing else counts (OpenAPI 3.0, Reference Object).
        made = {"allOf": [schema]} if "$ref" in schema else schema
        return {**made, "description": text} if text else made

    def _schema(self, hint: Any) -> Json:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint == IntOrString:
            both = [{"type": "integer"}, {"type": "string"}]
            return self._shared(_INT_OR_STRING, {"format": "int-or-string", "oneOf": both})
        if origin is typing.Annotated:
            return self._scalar(next(extra.go_type for extra in arguments[1:] if isinstance(extra, Marker)))
        if origin in (typing.Union, types.UnionType):
            present = [one for one in arguments if one is not types.NoneType]
            return self._schema(IntOrString if len(present) == 2 else present[0])
        if origin is tuple:
            return {"type": "array", "items": self._schema(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self._schema(arguments[1])}
        if isinstance(hint, type) and issubclass(hint, KubeStruct):
            return {"$ref": _reference(self._struct(hint))}
        plain: dict[Any, Json] = {
            str: {"type": "string"},
            bool: {"type": "boolean"},
            int: {"type": "integer", "format": "int64"},
        }
        return plain.get(hint, {"type": "object"})

    def _scalar(self, go_type: str) -> Json:
        if go_type in _SCALARS:
            return self._shared(*_SCALARS[go_type])
        if go_type == "[]uint8":
            return {"type": "string", "format": "byte"}
        return {"type": "integer", "format": "int32" if go_type == "int32" else "int64"}

    def _shared(self, name: str, schema: Json) -> Json:
        self.made[name] = schema
        return {"$ref": _reference(name)}
