"""Requests and limits."""

from __future__ import annotations

from collections.abc import Mapping, Set

from podrun.api import field_errors, quantity
from podrun.api import validate_names as names
from podrun.api.objects import ContainerResizePolicy, ResourceRequirements
from podrun.api.validate_names import Errors

_STANDARD = frozenset(("cpu", "memory", "ephemeral-storage"))
_HUGE = "hugepages-"
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")


def check_resources(path: str, resources: ResourceRequirements, claims: Set[str] = frozenset()) -> Errors:
    """`claims`: names of the pod's resourceClaims."""
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, amount in amounts.items():
            yield from _name(f"{path}.{kind}", name)
            yield from _amount(f"{path}.{kind}[{name}]", name, amount)
    yield from _requests_within_limits(path, resources)
    yield from _huge_pages(path, resources.limits | resources.requests)
    seen = set()
    for index, claim in enumerate(resources.claims):
        where = f"{path}.claims[{index}]"
        if not claim.name:
            yield field_errors.required(f"{where}.name")
        elif (claim.name, claim.request) in seen:
            yield field_errors.duplicate(where, claim.name)
        elif claim.name not in claims:
            yield field_errors.not_found(where, claim.name)
        seen.add((claim.name, claim.request))


def check_resize_policy(path: str, policies: tuple[ContainerResizePolicy, ...], restart_policy: str) -> Errors:
    seen = set()
    for index, policy in enumerate(policies):
        if policy.resource_name in seen:
            yield field_errors.duplicate(f"{path}[{index}]", policy.resource_name)
        seen.add(policy.resource_name)
        yield from names.check_choice(path, policy.resource_name, ("cpu", "memory"))
        yield from names.check_choice(path, policy.restart_policy, _RESIZE_POLICIES)
        if restart_policy == "Never" and policy.restart_policy != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            yield field_errors.invalid(path, policy.restart_policy, detail)


def _name(path: str, name: str) -> Errors:
    problems = names.qualified_name_problems(name)
    for problem in problems:
        yield field_errors.invalid(path, name, problem)
    if problems or name in _STANDARD or name.startswith(_HUGE):
        return
    if "/" not in name:
        yield field_errors.invalid(path, name, "must be a standard resource type or fully qualified")
        yield field_errors.invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and name.startswith("requests."):
        yield field_errors.invalid(path, name, "doesn't follow extended resource name standard")


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _amount(path: str, name: str, amount: str) -> Errors:
    parsed = quantity.parse(amount)
    if parsed.nanos < 0:
        yield field_errors.invalid(path, amount, names.NOT_NEGATIVE)
    if not _is_native(name) and parsed.nanos % quantity.NANO:
        yield field_errors.invalid(path, amount, "must be an integer")


def _requests_within_limits(path: str, resources: ResourceRequirements) -> Errors:
    for name, request in resources.requests.items():
        overcommit = _is_native(name) and not name.startswith(_HUGE)
        limit = resources.limits.get(name)
        if limit is None:
            if not overcommit:
                yield field_errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
            continue
        asked, allowed = quantity.parse(request).nanos, quantity.parse(limit).nanos
        if asked != allowed and not overcommit:
            yield field_errors.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
        elif asked > allowed:
            detail = f"must be less than or equal to {name} limit of {limit}"
            yield field_errors.invalid(f"{path}.requests", request, detail)


def _huge_pages(path: str, amounts: Mapping[str, str]) -> Errors:
    if any(name.startswith(_HUGE) for name in amounts) and not amounts.keys() & {"cpu", "memory"}:
        yield field_errors.forbidden(path, "HugePages require cpu or memory")
