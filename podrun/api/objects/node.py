"""Node (core/v1): the one machine that podrun runs on."""

from __future__ import annotations

from podrun.api.objects.meta import ObjectMeta
from podrun.api.objects.struct import Int32, KubeStruct, Quantity, Time, always, entries


class Taint(KubeStruct, frozen=True, kw_only=True):
    key: str = always("")
    value: str = ""
    effect: str = always("")
    time_added: Time | None = None


class NodeSpec(KubeStruct, frozen=True, kw_only=True):
    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = ""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeCondition(KubeStruct, frozen=True, kw_only=True):
    type: str = always("")
    status: str = always("")
    last_heartbeat_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    reason: str = ""
    message: str = ""


class NodeAddress(KubeStruct, frozen=True, kw_only=True):
    type: str = always("")
    address: str = always("")


class DaemonEndpoint(KubeStruct, frozen=True, kw_only=True):
    port: Int32 = always(0)


class NodeDaemonEndpoints(KubeStruct, frozen=True, kw_only=True):
    kubelet_endpoint: DaemonEndpoint = always(DaemonEndpoint())


class NodeSystemInfo(KubeStruct, frozen=True, kw_only=True):
    machine_id: str = always("")
    system_uuid: str = always("")
    boot_id: str = always("")
    kernel_version: str = always("")
    os_image: str = always("")
    container_runtime_version: str = always("")
    kubelet_version: str = always("")
    kube_proxy_version: str = always("")
    operating_system: str = always("")
    architecture: str = always("")


class ContainerImage(KubeStruct, frozen=True, kw_only=True):
    names: tuple[str, ...] = always(())
    size_bytes: int = 0


class NodeStatus(KubeStruct, frozen=True, kw_only=True):
    capacity: dict[str, Quantity] = entries()
    allocatable: dict[str, Quantity] = entries()
    phase: str = ""
    conditions: tuple[NodeCondition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: NodeDaemonEndpoints = always(NodeDaemonEndpoints())
    node_info: NodeSystemInfo = always(NodeSystemInfo())
    images: tuple[ContainerImage, ...] = ()
    volumes_in_use: tuple[str, ...] = ()


class Node(KubeStruct, frozen=True, kw_only=True):
    kind: str = always("Node")
    api_version: str = always("v1")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: NodeSpec = always(NodeSpec())
    status: NodeStatus = always(NodeStatus())
