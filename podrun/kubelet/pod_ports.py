"""The ports of the node that a pod asks for. Pure.

Init containers are gone when the pod serves, so only those that stay count (pkg/scheduler/util, GetHostPorts).
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import objects


def published(spec: objects.PodSpec) -> Iterator[objects.ContainerPort]:
    """In the order of the manifest, sidecars first; with hostNetwork every port."""
    sidecars = (each for each in spec.init_containers if objects.is_sidecar(each))
    for container in (*sidecars, *spec.containers):
        yield from (port for port in container.ports if port.host_port)


def translated(spec: objects.PodSpec) -> tuple[tuple[str, str, int, int], ...]:
    """Protocol, hostIP, hostPort and containerPort of those that lead into the pod's own network."""
    if spec.host_network:
        return ()
    return tuple(
        (port.protocol or "TCP", port.host_ip, port.host_port, port.container_port) for port in published(spec)
    )
