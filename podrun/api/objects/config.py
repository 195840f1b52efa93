"""The smaller kinds of core/v1: Namespace, ConfigMap, Secret, PersistentVolumeClaim, ServiceAccount."""

from __future__ import annotations

from podrun.api.objects.meta import ObjectMeta
from podrun.api.objects.references import LocalObjectReference, ObjectReference
from podrun.api.objects.struct import Bytes, KubeStruct, Quantity, Time, always, entries
from podrun.api.objects.volumes import PersistentVolumeClaimSpec


class NamespaceSpec(KubeStruct, frozen=True, kw_only=True):
    finalizers: tuple[str, ...] = ()


class NamespaceCondition(KubeStruct, frozen=True, kw_only=True):
    type: str = always("")
    status: str = always("")
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


class NamespaceStatus(KubeStruct, frozen=True, kw_only=True):
    phase: str = ""
    conditions: tuple[NamespaceCondition, ...] = ()


class Namespace(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("Namespace")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: NamespaceSpec = always(NamespaceSpec())
    status: NamespaceStatus = always(NamespaceStatus())


class ConfigMap(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("ConfigMap")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    immutable: bool | None = None
    data: dict[str, str] = entries()
    binary_data: dict[str, Bytes] = entries()


class Secret(KubeStruct, frozen=True, kw_only=True):
    """`data` is base64, as in JSON; `string_data` is folded into it when stored."""

    kind: str = always("Secret")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    immutable: bool | None = None
    data: dict[str, Bytes] = entries()
    string_data: dict[str, str] = entries()
    type: str = ""


class PersistentVolumeClaimCondition(KubeStruct, frozen=True, kw_only=True):
    type: str = always("")
    status: str = always("")
    last_probe_time: Time | None = None
    last_transition_time: Time | None = None
    reason: str = ""
    message: str = ""


class PersistentVolumeClaimStatus(KubeStruct, frozen=True, kw_only=True):
    phase: str = ""
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, Quantity] = entries()
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    allocated_resources: dict[str, Quantity] = entries()
    allocated_resource_statuses: dict[str, str] = entries()
    current_volume_attributes_class_name: str | None = None


class PersistentVolumeClaim(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("PersistentVolumeClaim")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeClaimSpec = always(PersistentVolumeClaimSpec())
    status: PersistentVolumeClaimStatus = always(PersistentVolumeClaimStatus())


class ServiceAccount(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("ServiceAccount")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None
