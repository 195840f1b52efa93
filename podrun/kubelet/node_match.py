"""Whether a node is one that a pod wants, and a pod one that the node lets in: labels, affinity, taints. Pure.

Rules: component-helpers/scheduling/corev1 (nodeaffinity, FindMatchingUntoleratedTaint).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from podrun.api import objects

UNSCHEDULABLE = objects.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
"""What a pod must tolerate to be placed on a cordoned node."""


def selects(spec: objects.PodSpec, node: objects.Node) -> bool:
    """nodeSelector, and the required terms of the node affinity."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    terms = required_terms(spec)
    return terms is None or any(_meets_term(term, node) for term in terms)


def required_terms(spec: objects.PodSpec) -> tuple[objects.NodeSelectorTerm, ...] | None:
    """One of these must hold; None: nothing is required."""
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required.node_selector_terms if required else None


def names_other_nodes(spec: objects.PodSpec, node: objects.Node) -> bool:
    """Whether every term names its nodes, and none names this one: kube-scheduler then looks at no node at all."""
    terms = required_terms(spec)
    if not terms:
        return False
    named = [[each for each in term.match_fields if each.operator == "In"] for term in terms]
    return all(named) and not any(
        all(node.metadata.name in requirement.values for requirement in each) for each in named
    )


def _meets_term(term: objects.NodeSelectorTerm, node: objects.Node) -> bool:
    """An empty term selects nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(
        meets(each.key, each.operator, each.values, node.metadata.labels) for each in term.match_expressions
    ) and (all(meets(each.key, each.operator, each.values, fields) for each in term.match_fields))


def meets(key: str, operator: str, values: Collection[str], labels: Mapping[str, str]) -> bool:
    """One requirement of a node selector or of a label selector."""
    value = labels.get(key)
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return value is not None and _compares(value, operator, *values)
        case _:
            return False


def _compares(value: str, operator: str, bound: str) -> bool:
    """As integers; what is none never matches."""
    try:
        difference = int(value) - int(bound)
    except ValueError:
        return False
    return difference > 0 if operator == "Gt" else difference < 0


def untolerated(
    taints: Collection[objects.Taint], tolerations: Collection[objects.Toleration], effects: Collection[str]
) -> objects.Taint | None:
    """The first taint with one of these effects that no toleration covers."""
    return next((taint for taint in taints if taint.effect in effects and not tolerates(tolerations, taint)), None)


def tolerates(tolerations: Collection[objects.Toleration], taint: objects.Taint) -> bool:
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: objects.Toleration, taint: objects.Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


Matches = Callable[[Mapping[str, str]], bool]


def label_matcher(selector: objects.LabelSelector | None) -> Matches:
    """No selector matches nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    return lambda labels: (
        all(labels.get(key) == value for key, value in selector.match_labels.items())
        and all(meets(each.key, each.operator, each.values, labels) for each in selector.match_expressions)
    )
