"""PersistentVolume (core/v1). Volumes of single storage vendors are known by name only."""

from __future__ import annotations

from podrun.api.objects.meta import ObjectMeta
from podrun.api.objects.references import ObjectReference
from podrun.api.objects.struct import KubeStruct, Quantity, Time, always, entries
from podrun.api.objects.volumes import HostPathVolumeSource, Loose


class LocalVolumeSource(KubeStruct, frozen=True, kw_only=True):
    path: str = always("")
    fs_type: str | None = None


class PersistentVolumeSpec(KubeStruct, frozen=True, kw_only=True):
    capacity: dict[str, Quantity] = entries()
    host_path: HostPathVolumeSource | None = None
    local: LocalVolumeSource | None = None
    nfs: Loose | None = None
    csi: Loose | None = None
    iscsi: Loose | None = None
    access_modes: tuple[str, ...] = ()
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = ""
    storage_class_name: str = ""
    mount_options: tuple[str, ...] = ()
    volume_mode: str | None = None
    node_affinity: Loose | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeStatus(KubeStruct, frozen=True, kw_only=True):
    phase: str = ""
    message: str = ""
    reason: str = ""
    last_phase_transition_time: Time | None = None


class PersistentVolume(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("PersistentVolume")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeSpec = always(PersistentVolumeSpec())
    status: PersistentVolumeStatus = always(PersistentVolumeStatus())
