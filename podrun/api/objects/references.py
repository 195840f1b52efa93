"""How one object points at another or at a part of itself (core/v1)."""

from __future__ import annotations

from podrun.api.objects.struct import Int32, KubeStruct, Quantity, always


class LocalObjectReference(KubeStruct, frozen=True, kw_only=True):
    name: str = ""


class SecretReference(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    namespace: str = ""


class TypedLocalObjectReference(KubeStruct, frozen=True, kw_only=True):
    api_group: str | None = always(None)
    kind: str = always("")
    name: str = always("")


class TypedObjectReference(KubeStruct, frozen=True, kw_only=True):
    api_group: str | None = always(None)
    kind: str = always("")
    name: str = always("")
    namespace: str | None = None


class ObjectReference(KubeStruct, frozen=True, kw_only=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class ObjectFieldSelector(KubeStruct, frozen=True, kw_only=True):
    api_version: str = ""
    field_path: str = always("")


class ResourceFieldSelector(KubeStruct, frozen=True, kw_only=True):
    container_name: str = ""
    resource: str = always("")
    divisor: Quantity = always("0")


class ConfigMapKeySelector(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    key: str = always("")
    optional: bool | None = None


class SecretKeySelector(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    key: str = always("")
    optional: bool | None = None


class FileKeySelector(KubeStruct, frozen=True, kw_only=True):
    volume_name: str = always("")
    path: str = always("")
    key: str = always("")
    optional: bool | None = None


class KeyToPath(KubeStruct, frozen=True, kw_only=True):
    key: str = always("")
    path: str = always("")
    mode: Int32 | None = None
