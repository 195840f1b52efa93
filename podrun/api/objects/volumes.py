"""Every volume source of a pod (core/v1). Those of single storage vendors are known by name only."""

from __future__ import annotations

from typing import Any

import msgspec

from podrun.api.objects.meta import LabelSelector, ObjectMeta
from podrun.api.objects.references import (
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    ResourceFieldSelector,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from podrun.api.objects.struct import Int32, KubeStruct, Quantity, always, entries

Loose = dict[str, Any]


class HostPathVolumeSource(KubeStruct, frozen=True, kw_only=True):
    path: str = always("")
    type: str | None = None


class EmptyDirVolumeSource(KubeStruct, frozen=True, kw_only=True):
    medium: str = ""
    size_limit: Quantity | None = None


class SecretVolumeSource(KubeStruct, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: Int32 | None = None
    optional: bool | None = None


class ConfigMapVolumeSource(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: Int32 | None = None
    optional: bool | None = None


class DownwardAPIVolumeFile(KubeStruct, frozen=True, kw_only=True):
    path: str = always("")
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: Int32 | None = None


class DownwardAPIVolumeSource(KubeStruct, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()
    default_mode: Int32 | None = None


class SecretProjection(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class ConfigMapProjection(KubeStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(KubeStruct, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class ServiceAccountTokenProjection(KubeStruct, frozen=True, kw_only=True):
    audience: str = ""
    expiration_seconds: int | None = None
    path: str = always("")


class ClusterTrustBundleProjection(KubeStruct, frozen=True, kw_only=True):
    name: str | None = None
    signer_name: str | None = None
    label_selector: LabelSelector | None = None
    optional: bool | None = None
    path: str = always("")


class VolumeProjection(KubeStruct, frozen=True, kw_only=True):
    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = msgspec.field(default=None, name="downwardAPI")
    config_map: ConfigMapProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: Loose | None = None


class ProjectedVolumeSource(KubeStruct, frozen=True, kw_only=True):
    sources: tuple[VolumeProjection, ...] = always(())
    default_mode: Int32 | None = None


class PersistentVolumeClaimVolumeSource(KubeStruct, frozen=True, kw_only=True):
    claim_name: str = always("")
    read_only: bool = False


class VolumeResourceRequirements(KubeStruct, frozen=True, kw_only=True):
    limits: dict[str, Quantity] = entries()
    requests: dict[str, Quantity] = entries()


class PersistentVolumeClaimSpec(KubeStruct, frozen=True, kw_only=True):
    access_modes: tuple[str, ...] = ()
    selector: LabelSelector | None = None
    resources: VolumeResourceRequirements = always(VolumeResourceRequirements())
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaimTemplate(KubeStruct, frozen=True, kw_only=True):
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeClaimSpec = always(PersistentVolumeClaimSpec())


class EphemeralVolumeSource(KubeStruct, frozen=True, kw_only=True):
    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class NFSVolumeSource(KubeStruct, frozen=True, kw_only=True):
    server: str = always("")
    path: str = always("")
    read_only: bool = False


class ISCSIVolumeSource(KubeStruct, frozen=True, kw_only=True):
    target_portal: str = always("")
    iqn: str = always("")
    lun: Int32 = always(0)
    iscsi_interface: str = ""
    fs_type: str = ""
    read_only: bool = False
    portals: tuple[str, ...] = ()
    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    secret_ref: LocalObjectReference | None = None
    initiator_name: str | None = None


class CSIVolumeSource(KubeStruct, frozen=True, kw_only=True):
    driver: str = always("")
    read_only: bool | None = None
    fs_type: str | None = None
    volume_attributes: dict[str, str] = entries()
    node_publish_secret_ref: LocalObjectReference | None = None


class ImageVolumeSource(KubeStruct, frozen=True, kw_only=True):
    reference: str = ""
    pull_policy: str = ""


class VolumeSource(KubeStruct, frozen=True, kw_only=True):
    host_path: HostPathVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    gce_persistent_disk: Loose | None = None
    aws_elastic_block_store: Loose | None = None
    git_repo: Loose | None = None
    secret: SecretVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    glusterfs: Loose | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    rbd: Loose | None = None
    flex_volume: Loose | None = None
    cinder: Loose | None = None
    cephfs: Loose | None = None
    flocker: Loose | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    fc: Loose | None = None
    azure_file: Loose | None = None
    config_map: ConfigMapVolumeSource | None = None
    vsphere_volume: Loose | None = None
    quobyte: Loose | None = None
    azure_disk: Loose | None = None
    photon_persistent_disk: Loose | None = None
    projected: ProjectedVolumeSource | None = None
    portworx_volume: Loose | None = None
    scale_io: Loose | None = None
    storageos: Loose | None = None
    csi: CSIVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    image: ImageVolumeSource | None = None


class Volume(VolumeSource, frozen=True, kw_only=True):
    name: str = always("")
