"""Which company a pod wants: affinity and anti-affinity to other pods, spreading. With one node, a topology is a label
that the node has or has not, and every placed pod is in it. Pure.

Rules: kube-scheduler's plugins InterPodAffinity and PodTopologySpread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from podrun.api import objects
from podrun.kubelet import node_match

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
ANTI_AFFINITY_OF_OTHERS = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = f"{SPREAD} (missing required label)"

NamespaceLabels = Mapping[str, Mapping[str, str]]
"""Labels of each namespace by its name."""


def company_problem(
    pod: objects.Pod, others: Collection[objects.Pod], node: objects.Node, namespaces: NamespaceLabels
) -> str:
    """Why `pod` can't join `others` on this node; empty if it can."""
    labels = node.metadata.labels
    if not _finds_company(pod, others, labels, namespaces):
        return AFFINITY
    avoided = _present(anti_affinity_terms(pod), labels)
    if any(_means(term, pod, other, namespaces) for term in avoided for other in others):
        return ANTI_AFFINITY
    for other in others:
        if any(_means(term, other, pod, namespaces) for term in _present(anti_affinity_terms(other), labels)):
            return ANTI_AFFINITY_OF_OTHERS
    return ""


def affinity_terms(pod: objects.Pod) -> tuple[objects.PodAffinityTerm, ...]:
    affinity = pod.spec.affinity.pod_affinity if pod.spec.affinity else None
    return affinity.required_during_scheduling_ignored_during_execution if affinity else ()


def anti_affinity_terms(pod: objects.Pod) -> tuple[objects.PodAffinityTerm, ...]:
    affinity = pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
    return affinity.required_during_scheduling_ignored_during_execution if affinity else ()


def _present(terms: Iterable[objects.PodAffinityTerm], labels: Mapping[str, str]) -> list[objects.PodAffinityTerm]:
    return [term for term in terms if term.topology_key in labels]


def _finds_company(
    pod: objects.Pod, others: Collection[objects.Pod], labels: Mapping[str, str], namespaces: NamespaceLabels
) -> bool:
    """One pod must match all terms at once. The first of a group, which its own terms mean, needs no other."""
    terms = affinity_terms(pod)
    if not terms:
        return True
    if any(term.topology_key not in labels for term in terms):
        return False
    return any(all(_means(term, pod, other, namespaces) for term in terms) for other in (*others, pod))


def _means(term: objects.PodAffinityTerm, owner: objects.Pod, other: objects.Pod, namespaces: NamespaceLabels) -> bool:
    """Whether a term of `owner` is about `other`."""
    namespace = other.metadata.namespace
    if term.namespace_selector is None:
        found = namespace in (term.namespaces or (owner.metadata.namespace,))
    else:
        found = namespace in term.namespaces or node_match.label_matcher(term.namespace_selector)(
            namespaces.get(namespace, {})
        )
    mine, others = owner.metadata.labels, other.metadata.labels
    return (
        found
        and node_match.label_matcher(term.label_selector)(others)
        and all(others.get(key) == mine[key] for key in term.match_label_keys if key in mine)
        and all(others.get(key) != mine[key] for key in term.mismatch_label_keys if key in mine)
    )


def spread_problem(pod: objects.Pod, others: Collection[objects.Pod], node: objects.Node) -> str:
    """Why the pod's spreading forbids this node; empty if it does not.

    With one domain nothing can be out of balance, unless there should be more domains than there are.
    """
    required = [each for each in pod.spec.topology_spread_constraints if each.when_unsatisfiable == "DoNotSchedule"]
    for constraint in required:
        if constraint.topology_key not in node.metadata.labels:
            return SPREAD_LABEL
    for constraint in required:
        here = sum(_is_counted(constraint, pod, other) for other in others)
        least = 0 if (constraint.min_domains or 1) > 1 else here
        if here + _is_counted(constraint, pod, pod) - least > constraint.max_skew:
            return SPREAD
    return ""


def _is_counted(constraint: objects.TopologySpreadConstraint, pod: objects.Pod, other: objects.Pod) -> bool:
    mine, others = pod.metadata.labels, other.metadata.labels
    return (
        other.metadata.namespace == pod.metadata.namespace
        and (other is pod or other.metadata.deletion_timestamp is None)
        and node_match.label_matcher(constraint.label_selector)(others)
        and all(others.get(key) == mine[key] for key in constraint.match_label_keys if key in mine)
    )
