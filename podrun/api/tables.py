"""Lists as tables (meta/v1 Table): the columns that `get` shows, made where the objects are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from podrun.api import objects, times
from podrun.api.objects import Event, Node, Object, Pod, Table, TableColumnDefinition, TableRow
from podrun.api.pod_summary import summarize

NONE = "<none>"
UNKNOWN = "<unknown>"
_ROLE = "node-role.kubernetes.io/"

Cells = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Printer:
    """`columns` are shown always, `wide` with `-o wide` too; `cells` gives a row for (object, now)."""

    columns: tuple[str, ...]
    cells: Callable[[Any, float], Cells]
    wide: frozenset[str] = frozenset()


def table(kind: str, items: Iterable[Object], now: float, resource_version: str = "") -> Table:
    """A table of objects of one kind; `now` is Unix time in seconds."""
    printer = _PRINTERS.get(kind, _PLAIN)
    rows = tuple(
        TableRow(cells=printer.cells(item, now), object=objects.PartialObjectMetadata(metadata=item.metadata))
        for item in items
    )
    metadata = objects.ListMeta(resource_version=resource_version)
    return Table(metadata=metadata, column_definitions=_columns(printer), rows=rows)


def _columns(printer: Printer) -> tuple[TableColumnDefinition, ...]:
    return tuple(
        TableColumnDefinition(
            name=name, format="name" if name == "Name" else "", priority=1 if name in printer.wide else 0
        )
        for name in printer.columns
    )


def age(timestamp: str | None, now: float) -> str:
    """How long ago, as in AGE and LAST SEEN."""
    return UNKNOWN if not timestamp else times.human_duration(now - times.unix_seconds(timestamp))


def _pod(pod: Pod, now: float) -> Cells:
    summary = summarize(pod)
    address = pod.status.pod_ips[0].ip if pod.status.pod_ips else pod.status.pod_ip
    return (
        pod.metadata.name,
        f"{summary.ready}/{summary.total}",
        summary.status,
        summary.restarts_text(now),
        age(pod.metadata.creation_timestamp, now),
        address or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        _gates(pod),
    )


def _gates(pod: Pod) -> str:
    wanted = [gate.condition_type for gate in pod.spec.readiness_gates]
    true = {condition.type for condition in pod.status.conditions if condition.status == "True"}
    return f"{sum(gate in true for gate in wanted)}/{len(wanted)}" if wanted else NONE


def _node(node: Node, now: float) -> Cells:
    ready = {condition.status for condition in node.status.conditions if condition.type == "Ready"}
    words = ["Ready" if "True" in ready else "NotReady" if ready else "Unknown"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    roles = sorted(label.removeprefix(_ROLE) for label in node.metadata.labels if label.startswith(_ROLE))
    addresses = {address.type: address.address for address in node.status.addresses}
    info = node.status.node_info
    return (
        node.metadata.name,
        ",".join(words),
        ",".join(roles) or NONE,
        age(node.metadata.creation_timestamp, now),
        info.kubelet_version,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime_version or UNKNOWN,
    )


def _event(event: Event, now: float) -> Cells:
    series = event.series
    last = (series.last_observed_time if series else None) or event.last_timestamp or event.event_time
    count = series.count if series else event.count or 1
    source = event.source.component or event.reporting_component
    host = event.source.host or event.reporting_instance
    return (
        age(last, now),
        event.type,
        event.reason,
        f"{event.involved_object.kind.lower()}/{event.involved_object.name}",
        event.involved_object.field_path,
        f"{source}, {host}" if host else source,
        event.message.strip(),
        age(event.first_timestamp or event.event_time, now),
        count,
        event.metadata.name,
    )


def _namespace(namespace: objects.Namespace, now: float) -> Cells:
    return (namespace.metadata.name, namespace.status.phase, age(namespace.metadata.creation_timestamp, now))


def _config_map(config: objects.ConfigMap, now: float) -> Cells:
    count = len(config.data) + len(config.binary_data)
    return (config.metadata.name, count, age(config.metadata.creation_timestamp, now))


def _secret(secret: objects.Secret, now: float) -> Cells:
    return (secret.metadata.name, secret.type, len(secret.data), age(secret.metadata.creation_timestamp, now))


_SHORT_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes(modes: Iterable[str]) -> str:
    """`RWO,ROX`: each once, in kubectl's order."""
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in modes)


def _claim(claim: objects.PersistentVolumeClaim, now: float) -> Cells:
    spec, status = claim.spec, claim.status
    bound = bool(spec.volume_name)
    return (
        claim.metadata.name,
        "Terminating" if claim.metadata.deletion_timestamp else status.phase,
        spec.volume_name,
        status.capacity.get("storage", "0") if bound else "",
        access_modes(status.access_modes) if bound else "",
        spec.storage_class_name or "",
        spec.volume_attributes_class_name or "<unset>",
        age(claim.metadata.creation_timestamp, now),
        (spec.volume_mode or "<unset>") if bound else "<unset>",
    )


def _volume(volume: objects.PersistentVolume, now: float) -> Cells:
    spec, status, claim = volume.spec, volume.status, volume.spec.claim_ref
    return (
        volume.metadata.name,
        spec.capacity.get("storage", "0"),
        access_modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        "Terminating" if volume.metadata.deletion_timestamp else status.phase,
        f"{claim.namespace}/{claim.name}" if claim else "",
        spec.storage_class_name,
        spec.volume_attributes_class_name or "<unset>",
        status.reason,
        age(volume.metadata.creation_timestamp, now),
        spec.volume_mode or "<unset>",
    )


def _service_account(account: objects.ServiceAccount, now: float) -> Cells:
    return (account.metadata.name, len(account.secrets), age(account.metadata.creation_timestamp, now))


def _plain(item: Object, now: float) -> Cells:
    return (item.metadata.name, age(item.metadata.creation_timestamp, now))


_PLAIN = Printer(("Name", "Age"), _plain)
_PRINTERS = {
    "Pod": Printer(
        ("Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"),
        _pod,
        frozenset(("IP", "Node", "Nominated Node", "Readiness Gates")),
    ),
    "Node": Printer(
        (
            *("Name", "Status", "Roles", "Age", "Version"),
            *("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        _node,
        frozenset(("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")),
    ),
    "Event": Printer(
        (
            *("Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message"),
            *("First Seen", "Count", "Name"),
        ),
        _event,
        frozenset(("Subobject", "Source", "First Seen", "Count", "Name")),
    ),
    "Namespace": Printer(("Name", "Status", "Age"), _namespace),
    "ConfigMap": Printer(("Name", "Data", "Age"), _config_map),
    "Secret": Printer(("Name", "Type", "Data", "Age"), _secret),
    "PersistentVolumeClaim": Printer(
        (
            *("Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass"),
            *("Age", "VolumeMode"),
        ),
        _claim,
        frozenset(("VolumeMode",)),
    ),
    "PersistentVolume": Printer(
        (
            *("Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass"),
            *("VolumeAttributesClass", "Reason", "Age", "VolumeMode"),
        ),
        _volume,
        frozenset(("VolumeMode",)),
    ),
    "ServiceAccount": Printer(("Name", "Secrets", "Age"), _service_account),
}
