"""Probes, lifecycle hooks and what they call (core/v1)."""

from __future__ import annotations

from podrun.api.objects.struct import Int32, IntOrString, KubeStruct, always


class ExecAction(KubeStruct, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class HTTPHeader(KubeStruct, frozen=True, kw_only=True):
    name: str = always("")
    value: str = always("")


class HTTPGetAction(KubeStruct, frozen=True, kw_only=True):
    path: str = ""
    port: IntOrString = always(0)
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(KubeStruct, frozen=True, kw_only=True):
    port: IntOrString = always(0)
    host: str = ""


class GRPCAction(KubeStruct, frozen=True, kw_only=True):
    port: Int32 = always(0)
    service: str | None = always(None)


class SleepAction(KubeStruct, frozen=True, kw_only=True):
    seconds: int = always(0)


class Probe(KubeStruct, frozen=True, kw_only=True):
    """Times in seconds."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: Int32 = 0
    timeout_seconds: Int32 = 0
    period_seconds: Int32 = 0
    success_threshold: Int32 = 0
    failure_threshold: Int32 = 0
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(KubeStruct, frozen=True, kw_only=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(KubeStruct, frozen=True, kw_only=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None
