"""Tolerations, affinity, topology spreading and gates."""

from __future__ import annotations

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import (
    Affinity,
    LabelSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSpec,
    Toleration,
)
from podrun.api.validate_names import Errors

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_scheduling(spec: PodSpec, path: str) -> Errors:
    """`path` is that of the spec."""
    yield from names.check_labels(f"{path}.nodeSelector", spec.node_selector)
    if spec.affinity:
        yield from _affinity(f"{path}.affinity", spec.affinity)
    for index, gate in enumerate(spec.readiness_gates):
        where = f"{path}.readinessGates[{index}].conditionType"
        yield from names.check(where, gate.condition_type, names.qualified_name_problems)
    yield from _gates(f"{path}.schedulingGates", spec)
    yield from _spread(f"{path}.topologySpreadConstraints", spec)
    yield from check_tolerations(f"{path}.tolerations", spec.tolerations)


def check_tolerations(path: str, tolerations: tuple[Toleration, ...]) -> Errors:
    for index, toleration in enumerate(tolerations):
        where = f"{path}[{index}]"
        if toleration.key:
            yield from names.check(f"{where}.key", toleration.key, names.qualified_name_problems)
        elif toleration.operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield field_errors.invalid(f"{where}.operator", toleration.operator, detail)
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield field_errors.invalid(f"{where}.effect", toleration.effect, detail)
        if toleration.operator in ("", "Equal"):
            if problems := names.label_value_problems(toleration.value):
                yield field_errors.invalid(f"{where}.operator", toleration.value, ";".join(problems))
        elif toleration.operator != "Exists":
            yield field_errors.not_supported(f"{where}.operator", toleration.operator, ("Equal", "Exists"))
        elif toleration.value:
            detail = "value must be empty when `operator` is 'Exists'"
            yield field_errors.invalid(f"{where}.operator", toleration.value, detail)
        if toleration.effect and toleration.effect not in EFFECTS:
            yield field_errors.not_supported(f"{where}.effect", toleration.effect, EFFECTS)


def check_label_selector(path: str, selector: LabelSelector | None) -> Errors:
    if selector is None:
        return
    yield from names.check_labels(f"{path}.matchLabels", selector.match_labels)
    for index, each in enumerate(selector.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        if each.operator in ("In", "NotIn"):
            if not each.values:
                detail = "must be specified when `operator` is 'In' or 'NotIn'"
                yield field_errors.required(f"{where}.values", detail)
        elif each.operator in ("Exists", "DoesNotExist"):
            if each.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield field_errors.forbidden(f"{where}.values", detail)
        else:
            yield field_errors.invalid(f"{where}.operator", each.operator, "not a valid selector operator")
        yield from names.check(f"{where}.key", each.key, names.qualified_name_problems)
        for position, value in enumerate(each.values):
            yield from names.check(f"{where}.values[{position}]", value, names.label_value_problems)


def _affinity(path: str, affinity: Affinity) -> Errors:
    node = affinity.node_affinity
    if node and node.required_during_scheduling_ignored_during_execution:
        where = f"{path}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
        terms = node.required_during_scheduling_ignored_during_execution.node_selector_terms
        if not terms:
            yield field_errors.required(where, "must have at least one node selector term")
        for index, term in enumerate(terms):
            yield from _node_term(f"{where}[{index}]", term)
    if node:
        for index, preferred in enumerate(node.preferred_during_scheduling_ignored_during_execution):
            where = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
            yield from _weight(where, preferred.weight)
            yield from _node_term(f"{where}.preference", preferred.preference)
    for shown, affine in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if affine:
            yield from _pod_affinity(f"{path}.{shown}", affine)


def _pod_affinity(path: str, affinity: PodAffinity | PodAntiAffinity) -> Errors:
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        yield from _pod_term(f"{path}.{_REQUIRED}[{index}]", term)
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        where = f"{path}.{_PREFERRED}[{index}]"
        yield from _weight(where, weighted.weight)
        yield from _pod_term(f"{where}.podAffinityTerm", weighted.pod_affinity_term)


def _weight(path: str, weight: int) -> Errors:
    if not 1 <= weight <= 100:
        yield field_errors.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _pod_term(path: str, term: PodAffinityTerm) -> Errors:
    yield from check_label_selector(f"{path}.labelSelector", term.label_selector)
    yield from check_label_selector(f"{path}.namespaceSelector", term.namespace_selector)
    for namespace in term.namespaces:
        yield from names.check(f"{path}.namespace", namespace, names.label_problems)
    if not term.topology_key:
        yield field_errors.required(f"{path}.topologyKey", "can not be empty")
    yield from names.check(f"{path}.topologyKey", term.topology_key, names.qualified_name_problems)


def _node_term(path: str, term: NodeSelectorTerm) -> Errors:
    for index, each in enumerate(term.match_expressions):
        yield from _node_requirement(f"{path}.matchExpressions[{index}]", each)
    for index, each in enumerate(term.match_fields):
        where = f"{path}.matchFields[{index}]"
        if each.operator not in ("In", "NotIn"):
            yield field_errors.invalid(f"{where}.operator", each.operator, "not a valid selector operator")
        elif len(each.values) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield field_errors.required(f"{where}.values", detail)
        if each.key != "metadata.name":
            yield field_errors.invalid(f"{where}.key", each.key, "not a valid field selector key")


def _node_requirement(path: str, each: NodeSelectorRequirement) -> Errors:
    values = f"{path}.values"
    if each.operator in ("In", "NotIn"):
        if not each.values:
            yield field_errors.required(values, "must be specified when `operator` is 'In' or 'NotIn'")
    elif each.operator in ("Exists", "DoesNotExist"):
        if each.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield field_errors.forbidden(values, detail)
    elif each.operator in ("Gt", "Lt"):
        if len(each.values) != 1:
            yield field_errors.required(values, "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield field_errors.invalid(f"{path}.operator", each.operator, "not a valid selector operator")
    yield from names.check(f"{path}.key", each.key, names.qualified_name_problems)
    for index, value in enumerate(each.values):
        yield from names.check(f"{values}[{index}]", value, names.label_value_problems)


def _gates(path: str, spec: PodSpec) -> Errors:
    seen = set()
    for index, gate in enumerate(spec.scheduling_gates):
        yield from names.check(f"{path}[{index}]", gate.name, names.qualified_name_problems)
        if gate.name in seen:
            yield field_errors.duplicate(f"{path}[{index}]", gate.name)
        seen.add(gate.name)


def _spread(path: str, spec: PodSpec) -> Errors:
    seen = set()
    for index, constraint in enumerate(spec.topology_spread_constraints):
        where = f"{path}[{index}]"
        if constraint.max_skew <= 0:
            yield field_errors.invalid(f"{where}.maxSkew", constraint.max_skew, "must be greater than zero")
        if not constraint.topology_key:
            yield field_errors.required(f"{where}.topologyKey", "can not be empty")
        choices = ("DoNotSchedule", "ScheduleAnyway")
        if constraint.when_unsatisfiable not in choices:
            yield field_errors.not_supported(f"{where}.whenUnsatisfiable", constraint.when_unsatisfiable, choices)
        pair = f"{{{constraint.topology_key}, {constraint.when_unsatisfiable}}}"
        if pair in seen:
            yield field_errors.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", pair)
        seen.add(pair)
        yield from check_label_selector(f"{where}.labelSelector", constraint.label_selector)
