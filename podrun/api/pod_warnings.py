"""What Kubernetes takes, but warns of (pkg/api/pod/warnings.go): amounts of memory that are no whole bytes, variables,
ports, aliases and secrets that are given twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podrun.api import objects, quantity

WHOLE_BYTES = ("memory", "ephemeral-storage")


def warnings(subject: objects.Object) -> tuple[str, ...]:
    """Of an object that is created or changed; expects it to be valid."""
    return tuple(_of_pod(subject)) if isinstance(subject, objects.Pod) else ()


def _of_pod(pod: objects.Pod) -> Iterator[str]:
    spec = pod.spec
    yield from _of_aliases(spec.host_aliases)
    yield from _of_pull_secrets(spec.image_pull_secrets)
    named = (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    )
    containers = [(f"spec.{shown}[{at}]", one) for shown, each in named for at, one in enumerate(each)]
    for path, container in containers:
        yield from _of_resources(f"{path}.resources", container.resources)
        yield from _of_variables(f"{path}.env", container.env)
    yield from _of_ports(
        [(f"{path}.ports[{at}]", port) for path, one in containers for at, port in enumerate(one.ports)]
    )
    if spec.resources:
        yield from _of_resources("spec.resources", spec.resources)


def _of_aliases(aliases: Sequence[objects.HostAlias]) -> Iterator[str]:
    for index, one in enumerate(aliases):
        if any(one.ip == earlier.ip for earlier in aliases[:index]):
            yield f'spec.hostAliases[{index}].ip: duplicate ip "{one.ip}"'


def _of_pull_secrets(secrets: Sequence[objects.LocalObjectReference]) -> Iterator[str]:
    for index, one in enumerate(secrets):
        if any(one.name == earlier.name for earlier in secrets[:index]):
            yield f'spec.imagePullSecrets[{index}].name: duplicate name "{one.name}"'
        if not one.name:
            yield f'spec.imagePullSecrets[{index}].name: invalid empty name ""'


def _of_resources(path: str, resources: objects.ResourceRequirements) -> Iterator[str]:
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name in WHOLE_BYTES:
            amount = quantity.parse(amounts.get(name, "0"))
            if amount.nanos % quantity.NANO:
                yield f'{path}.{kind}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _of_variables(path: str, variables: Sequence[objects.EnvVar]) -> Iterator[str]:
    """A later one of the same name may add to the earlier one, as `$(PATH):/more` does; else it hides it."""
    seen: set[str] = set()
    for index, one in enumerate(variables):
        earlier = f"$({one.name})"
        adds = one.value_from is None and earlier in one.value and one.value != earlier
        if one.name in seen and not adds:
            yield f'{path}[{index}]: hides previous definition of "{one.name}", which may be dropped when using apply'
        seen.add(one.name)


def _of_ports(ports: Sequence[tuple[str, objects.ContainerPort]]) -> Iterator[str]:
    """All of the pod, as its containers share one network."""
    for index, (path, one) in enumerate(ports):
        for earlier_path, earlier in ports[:index]:
            if (one.container_port, one.protocol) != (earlier.container_port, earlier.protocol):
                continue
            if (one.host_ip, one.host_port) == (earlier.host_ip, earlier.host_port):
                yield f"{path}: duplicate port definition with {earlier_path}"
            elif not one.host_port or not earlier.host_port:
                yield f"{path}: overlapping port definition with {earlier_path}"
            elif one.host_port == earlier.host_port and bool(one.host_ip) != bool(earlier.host_ip):
                yield f"{path}: dangerously ambiguous port definition with {earlier_path}"
