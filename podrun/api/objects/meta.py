"""Metadata of every object, lists, selectors, and the answers of the API itself (meta/v1)."""

from __future__ import annotations

from typing import Any

import msgspec

from podrun.api.objects.struct import Int32, KubeStruct, Time, always, entries


class OwnerReference(KubeStruct, frozen=True, kw_only=True):
    api_version: str = always("")
    kind: str = always("")
    name: str = always("")
    uid: str = always("")
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(KubeStruct, frozen=True, kw_only=True):
    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = ""
    fields_v1: dict[str, Any] | None = msgspec.field(default=None, name="fieldsV1")
    subresource: str = ""


class ObjectMeta(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = entries()
    annotations: dict[str, str] = entries()
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()


class ListMeta(KubeStruct, frozen=True, kw_only=True):
    self_link: str = ""
    resource_version: str = ""
    continue_: str = ""
    remaining_item_count: int | None = None


class Preconditions(KubeStruct, frozen=True, kw_only=True):
    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(KubeStruct, frozen=True, kw_only=True):
    """The body of a deletion."""

    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: tuple[str, ...] = ()
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None


class LabelSelectorRequirement(KubeStruct, frozen=True, kw_only=True):
    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class LabelSelector(KubeStruct, frozen=True, kw_only=True):
    match_labels: dict[str, str] = entries()
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class List(KubeStruct, frozen=True, kw_only=True):
    """A list of any kind: `List` of a manifest, `PodList` and the like of the API."""

    kind: str = always("List")
    api_version: str = always("v1")
    metadata: ListMeta = always(ListMeta())
    items: tuple[Any, ...] = always(())


class StatusCause(KubeStruct, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[StatusCause, ...] = ()
    retry_after_seconds: Int32 = 0


class Status(KubeStruct, frozen=True, kw_only=True):
    """What the API answers when it has no object to answer with: errors above all."""

    kind: str = always("Status")
    api_version: str = always("v1")
    metadata: ListMeta = always(ListMeta())
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: Int32 = 0


class TableColumnDefinition(KubeStruct, frozen=True, kw_only=True):
    """`priority` above 0: shown in wide output only."""

    name: str = always("")
    type: str = always("string")
    format: str = always("")
    description: str = always("")
    priority: Int32 = always(0)


class TableRow(KubeStruct, frozen=True, kw_only=True):
    cells: tuple[str | int, ...] = always(())
    object: Any = None


class PartialObjectMetadata(KubeStruct, frozen=True, kw_only=True):
    """What a table's row carries of its object."""

    kind: str = always("PartialObjectMetadata")
    api_version: str = always("meta.k8s.io/v1")
    metadata: ObjectMeta = always(ObjectMeta())


class Table(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("Table")
    api_version: str = always("meta.k8s.io/v1")
    metadata: ListMeta = always(ListMeta())
    column_definitions: tuple[TableColumnDefinition, ...] = always(())
    rows: tuple[TableRow, ...] = always(())
