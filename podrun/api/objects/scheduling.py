"""Affinity, tolerations, spreading and the other wishes about where a pod runs (core/v1)."""

from __future__ import annotations

from podrun.api.objects.meta import LabelSelector
from podrun.api.objects.struct import Int32, KubeStruct, always


class NodeSelectorRequirement(KubeStruct, frozen=True, kw_only=True):
    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class NodeSelectorTerm(KubeStruct, frozen=True, kw_only=True):
    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(KubeStruct, frozen=True, kw_only=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = always(())


class PreferredSchedulingTerm(KubeStruct, frozen=True, kw_only=True):
    weight: Int32 = always(0)
    preference: NodeSelectorTerm = always(NodeSelectorTerm())


class NodeAffinity(KubeStruct, frozen=True, kw_only=True):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()


class PodAffinityTerm(KubeStruct, frozen=True, kw_only=True):
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topology_key: str = always("")
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedPodAffinityTerm(KubeStruct, frozen=True, kw_only=True):
    weight: Int32 = always(0)
    pod_affinity_term: PodAffinityTerm = always(PodAffinityTerm())


class PodAffinity(KubeStruct, frozen=True, kw_only=True):
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()


class PodAntiAffinity(KubeStruct, frozen=True, kw_only=True):
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()


class Affinity(KubeStruct, frozen=True, kw_only=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class Toleration(KubeStruct, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class TopologySpreadConstraint(KubeStruct, frozen=True, kw_only=True):
    max_skew: Int32 = always(0)
    topology_key: str = always("")
    when_unsatisfiable: str = always("")
    label_selector: LabelSelector | None = None
    min_domains: Int32 | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    match_label_keys: tuple[str, ...] = ()


class PodSchedulingGate(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")


class PodResourceClaim(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None
