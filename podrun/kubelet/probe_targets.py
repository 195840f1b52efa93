"""What a probe or hook asks and where: the container's spec made concrete. Pure.

Rules: pkg/kubelet/prober/prober.go (runProbe), pkg/probe/util.go (ResolveContainerPort).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podrun.api import objects
from podrun.kubelet import environment
from podrun.probe import http_request


class UnknownPort(Exception):
    """A port name that the container does not have, in the words of the kubelet."""


@dataclass(frozen=True, slots=True)
class ExecTarget:
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TcpTarget:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    host: str
    port: int
    service: str


Target = ExecTarget | http_request.Request | TcpTarget | GrpcTarget


def of_probe(probe: objects.Probe, container: objects.Container, address: str) -> Target:
    """`address` is the pod's. Raises UnknownPort."""
    if probe.exec is not None:
        variables = {variable.name: variable.value for variable in container.env}
        return ExecTarget(tuple(environment.expand_all(probe.exec.command, variables)))
    if probe.http_get is not None:
        return of_http(probe.http_get, container, address, "probe")
    if probe.tcp_socket is not None:
        return TcpTarget(probe.tcp_socket.host or address, port_of(probe.tcp_socket.port, container.ports))
    if probe.grpc is not None:
        return GrpcTarget(address, probe.grpc.port, probe.grpc.service or "")
    raise ValueError("a probe without a handler")


def of_http(
    action: objects.HTTPGetAction, container: objects.Container, address: str, agent: str
) -> http_request.Request:
    """The request to the pod's `address` unless the action names a host. `agent`: "probe" or "lifecycle"."""
    headers = [(header.name, header.value) for header in action.http_headers]
    port = port_of(action.port, container.ports)
    return http_request.request(action.scheme, action.host or address, port, action.path, headers, agent)


def port_of(reference: int | str, ports: Iterable[objects.ContainerPort]) -> int:
    """A number, the name of one of the container's ports, or a number as a string. Raises UnknownPort."""
    if isinstance(reference, int):
        port = reference
    elif named := [port.container_port for port in ports if port.name == reference]:
        port = named[0]
    elif reference.isascii() and reference.isdigit():
        port = int(reference[:9])
    else:
        raise UnknownPort(f'strconv.Atoi: parsing "{reference}": invalid syntax')
    if not 0 < port < 65536:
        raise UnknownPort(f"invalid port number: {port}")
    return port
