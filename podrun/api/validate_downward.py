"""References to fields of the pod itself, in environment and files (downward API)."""

from __future__ import annotations

import re

from podrun.api import field_errors, quantity
from podrun.api import validate_names as names
from podrun.api.objects import ObjectFieldSelector, ResourceFieldSelector
from podrun.api.validate_names import Errors

ENVIRONMENT_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
FILE_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_CONVERTIBLE = {*ENVIRONMENT_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPT = re.compile(r"(.+)\['(.*)'\]")


def check_field_ref(path: str, selector: ObjectFieldSelector, supported: tuple[str, ...]) -> Errors:
    """`supported`: ENVIRONMENT_FIELDS or FILE_FIELDS."""
    wanted = selector.field_path
    if not selector.api_version:
        yield field_errors.required(f"{path}.apiVersion")
    elif not wanted:
        yield field_errors.required(f"{path}.fieldPath")
    elif selector.api_version != "v1":
        detail = f'error converting fieldPath: unsupported pod version: "{selector.api_version}"'
        yield field_errors.invalid(f"{path}.fieldPath", wanted, detail)
    elif found := _SUBSCRIPT.fullmatch(wanted):
        if found[1] not in ("metadata.annotations", "metadata.labels"):
            detail = f"error converting fieldPath: field label does not support subscript: {wanted}"
            yield field_errors.invalid(f"{path}.fieldPath", wanted, detail)
        else:
            key = found[2].lower() if found[1] == "metadata.annotations" else found[2]
            yield from names.check(path, key, names.qualified_name_problems)
    elif wanted not in _CONVERTIBLE:
        detail = f"error converting fieldPath: field label not supported: {wanted}"
        yield field_errors.invalid(f"{path}.fieldPath", wanted, detail)
    elif wanted not in supported:
        yield field_errors.not_supported(f"{path}.fieldPath", wanted, supported)


def check_resource_ref(path: str, selector: ResourceFieldSelector, *, in_volume: bool) -> Errors:
    """In a volume the container must be named; in the environment it is the container itself."""
    resource = selector.resource
    if in_volume and not selector.container_name:
        yield field_errors.required(f"{path}.containerName")
    elif not resource:
        yield field_errors.required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE):
        yield field_errors.not_supported(f"{path}.resource", resource, _RESOURCES)
    yield from _divisor(f"{path}.divisor", resource, selector.divisor)


def _divisor(path: str, resource: str, divisor: str) -> Errors:
    if quantity.parse(divisor).nanos == 0:
        return
    if resource.endswith(".cpu"):
        if divisor not in ("1m", "1"):
            yield field_errors.invalid(
                path, resource, "only divisor's values 1m and 1 are supported with the cpu resource"
            )
    elif divisor not in _BYTE_DIVISORS:
        kind = next((word for word in ("memory", "hugepages") if word in resource), "local ephemeral storage")
        detail = f"only divisor's values {', '.join(_BYTE_DIVISORS)} are supported with the {kind} resource"
        yield field_errors.invalid(path, resource, detail)
