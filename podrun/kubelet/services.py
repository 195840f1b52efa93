"""What every pod worker shares: the store, the fork server, images, network, and the facts of this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cgroups.hierarchies import Hierarchies
from podrun.image.store import Images
from podrun.kubelet.account_tokens import AccountTokens
from podrun.kubelet.id_ranges import IdRanges
from podrun.kubelet.measures import Measures
from podrun.kubelet.node_policy import NodePolicy
from podrun.kubelet.protection import Protection
from podrun.kubelet.recorder import Recorder
from podrun.kubelet.resources import Node
from podrun.kubelet.shims import ForkServer
from podrun.kubelet.status import Host
from podrun.kubelet.wiring import Wiring
from podrun.network.resolv import Cluster
from podrun.paths import Paths
from podrun.registry.pulls import Pulls
from podrun.store.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    paths: Paths
    store: Store
    recorder: Recorder
    fork_server: ForkServer
    images: Images
    pulls: Pulls
    wiring: Wiring
    id_ranges: IdRanges
    cluster: Cluster
    hierarchies: Hierarchies
    cgroup_parent: str  # the resolved one
    boot_id: str
    host: Host
    node: Node
    policy: NodePolicy
    protection: Protection
    tokens: AccountTokens
    measures: Measures
    started_at: float  # of this kubelet, seconds since the epoch
    disk: ThreadPoolExecutor  # for what may block: volumes, trees that are removed
