"""Requests and limits, of containers and of the pod itself."""

from __future__ import annotations

from collections.abc import Set

from msgspec.structs import replace

from podrun.api import field_errors, pod_resources, quantity
from podrun.api import validate_names as names
from podrun.api.objects import ContainerResizePolicy, PodSpec, ResourceRequirements
from podrun.api.pod_resources import HUGE
from podrun.api.validate_names import Errors

_STANDARD = frozenset(("cpu", "memory", "ephemeral-storage"))
_NEVER_OF_CONTAINERS = frozenset(
    (
        *("storage", "requests.storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage"),
        *("limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services"),
        *("replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims"),
        *("services.nodeports", "services.loadbalancers"),
    )
)
"""Known to Kubernetes, but for quotas."""
_OF_PODS = ("cpu", "hugepages-", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")


def check_resources(
    path: str, resources: ResourceRequirements, claims: Set[str] = frozenset(), *, of_pod: bool = False
) -> Errors:
    """`claims`: names of the pod's resourceClaims. `of_pod`: these are the pod's own."""
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, amount in amounts.items():
            where = f"{path}.{kind}[{name}]"
            yield from _name(where, name, of_pod=of_pod)
            yield from _amount(where, name, amount)
    yield from _requests_within_limits(path, resources)
    asked = resources.limits.keys() | resources.requests.keys()
    if any(name.startswith(HUGE) for name in asked) and not asked & {"cpu", "memory"}:
        yield field_errors.forbidden(path, "HugePages require cpu or memory")
    yield from _claims(path, resources, claims)


def check_pod_resources(path: str, spec: PodSpec) -> Errors:
    """`spec.resources` (KEP-2837), beside those of the containers; `path` is that of the spec."""
    resources, where = spec.resources, f"{path}.resources"
    if resources is None:
        return
    if resources.claims:
        yield field_errors.forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level")
    yield from check_resources(where, replace(resources, claims=()), of_pod=True)
    for name, together in pod_resources.aggregate(spec, lambda each: each.requests).items():
        asked = resources.requests.get(name)
        if asked is not None and together.nanos > quantity.parse(asked).nanos:
            detail = f"must be greater than or equal to aggregate container requests of {together}"
            yield field_errors.invalid(f"{where}.requests[{name}]", quantity.canonical(asked), detail)
    for name, together in pod_resources.aggregate(spec, lambda each: each.limits).items():
        limit = resources.limits.get(name) if name.startswith(HUGE) else None
        if limit is not None and together.nanos > quantity.parse(limit).nanos:
            detail = f"must be greater than or equal to aggregate container limits of {together}"
            yield field_errors.invalid(f"{where}.limits[{name}]", quantity.canonical(limit), detail)
    for index, container in enumerate(spec.containers):
        for name, limit in container.resources.limits.items():
            most = resources.limits.get(name)
            if most is not None and quantity.parse(limit).nanos > quantity.parse(most).nanos:
                detail = f"must be less than or equal to pod limits of {quantity.canonical(most)}"
                yield field_errors.invalid(f"{where}.containers[{index}].limits[{name}]", limit, detail)


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


def _claims(path: str, resources: ResourceRequirements, claims: Set[str]) -> Errors:
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


def _name(path: str, name: str, *, of_pod: bool) -> Errors:
    problems = names.qualified_name_problems(name)
    for problem in problems:
        yield field_errors.invalid(path, name, problem)
    if problems:
        return
    huge = name.startswith(HUGE)
    known = "/" in name or huge or name in _STANDARD or name in _NEVER_OF_CONTAINERS
    if not known:
        yield field_errors.invalid(path, name, "must be a standard resource type or fully qualified")
    if of_pod:
        if known and not pod_resources.is_for_pods(name):
            yield field_errors.not_supported(path, name, _OF_PODS)
    elif "/" not in name and not huge and name not in _STANDARD:
        yield field_errors.invalid(path, name, "must be a standard resource for containers")
    elif not pod_resources.is_native(name) and not _is_extended(name):
        yield field_errors.invalid(path, name, "doesn't follow extended resource name standard")


def _is_extended(name: str) -> bool:
    return not name.startswith("requests.") and not names.qualified_name_problems(f"requests.{name}")


def _amount(path: str, name: str, amount: str) -> Errors:
    parsed = quantity.parse(amount)
    if parsed.nanos < 0:
        yield field_errors.invalid(path, str(parsed), names.NOT_NEGATIVE)
    if not pod_resources.is_native(name) and parsed.nanos % quantity.NANO:
        yield field_errors.invalid(path, str(parsed), "must be an integer")
    if name.startswith(HUGE) and not _is_whole_pages(name, parsed.scaled_up(1)):
        yield field_errors.invalid(path, str(parsed), f"{parsed} is not positive integer multiple of {name}")


def _is_whole_pages(name: str, count: int) -> bool:
    try:
        page = quantity.parse(name.removeprefix(HUGE)).nanos
    except quantity.QuantityError:
        return False
    return page > 0 and page % quantity.NANO == 0 and count % (page // quantity.NANO) == 0


def _requests_within_limits(path: str, resources: ResourceRequirements) -> Errors:
    for name, request in resources.requests.items():
        overcommit = pod_resources.may_overcommit(name)
        limit = resources.limits.get(name)
        if limit is None:
            if not overcommit:
                yield field_errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
            continue
        asked, allowed = quantity.parse(request), quantity.parse(limit)
        if asked.nanos != allowed.nanos and not overcommit:
            yield field_errors.invalid(f"{path}.requests", str(asked), f"must be equal to {name} limit of {allowed}")
        elif asked.nanos > allowed.nanos:
            detail = f"must be less than or equal to {name} limit of {allowed}"
            yield field_errors.invalid(f"{path}.requests", str(asked), detail)
