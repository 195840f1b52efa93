"""Probes and lifecycle hooks."""

from __future__ import annotations

from podrun.api import field_errors
from podrun.api import validate_names as names
from podrun.api.objects import Container, HTTPGetAction, Lifecycle, LifecycleHandler, PodOS, Probe, SleepAction
from podrun.api.validate_names import Errors

_MORE_THAN_ONE = "may not specify more than 1 handler type"
_STOP_SIGNALS_NEED_OS = "may not be set for containers with empty `spec.os.name`"
_STOP_SIGNALS = (
    *("SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO"),
    *("SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT"),
    *("SIGRTMAX", *(f"SIGRTMAX-{n}" for n in range(1, 15)), "SIGRTMIN", *(f"SIGRTMIN+{n}" for n in range(1, 16))),
    *("SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG"),
    *("SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ"),
)


def check_probes(path: str, container: Container) -> Errors:
    """All three probes of a container that may have them."""
    for name, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if probe is not None:
            yield from _probe(f"{path}.{name}", probe, readiness=name == "readinessProbe")


def check_lifecycle(path: str, lifecycle: Lifecycle | None, grace_period: int | None, os: PodOS | None) -> Errors:
    if lifecycle is None:
        return
    if lifecycle.post_start:
        yield from _handler(f"{path}.postStart", lifecycle.post_start, grace_period)
    if lifecycle.pre_stop:
        yield from _handler(f"{path}.preStop", lifecycle.pre_stop, grace_period)
    if lifecycle.stop_signal:
        yield from _stop_signal(f"{path}.stopSignal", lifecycle.stop_signal, os)


def _stop_signal(path: str, signal: str, os: PodOS | None) -> Errors:
    if os is None or not os.name:
        yield field_errors.forbidden(path, _STOP_SIGNALS_NEED_OS)
    elif os.name == "linux":
        yield from names.check_choice(path, signal, _STOP_SIGNALS)


def _probe(path: str, probe: Probe, *, readiness: bool) -> Errors:
    yield from _handler(path, probe, None)
    yield from names.check_not_negative(f"{path}.initialDelaySeconds", probe.initial_delay_seconds)
    yield from names.check_not_negative(f"{path}.timeoutSeconds", probe.timeout_seconds)
    yield from names.check_not_negative(f"{path}.periodSeconds", probe.period_seconds)
    yield from names.check_not_negative(f"{path}.successThreshold", probe.success_threshold)
    yield from names.check_not_negative(f"{path}.failureThreshold", probe.failure_threshold)
    grace = probe.termination_grace_period_seconds
    if grace is not None and grace <= 0:
        yield field_errors.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if readiness and grace is not None:
        detail = "must not be set for readinessProbes"
        yield field_errors.invalid(f"{path}.terminationGracePeriodSeconds", grace, detail)
    if not readiness and probe.success_threshold != 1:
        yield field_errors.invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")


def _handler(path: str, handler: Probe | LifecycleHandler, grace_period: int | None) -> Errors:
    checks = {}
    if handler.exec:
        checks["exec"] = _exec(f"{path}.exec", handler.exec.command)
    if handler.http_get:
        checks["httpGet"] = _http_get(f"{path}.httpGet", handler.http_get)
    if handler.tcp_socket:
        checks["tcpSocket"] = _port(f"{path}.tcpSocket.port", handler.tcp_socket.port)
    if isinstance(handler, Probe):
        if handler.grpc:
            checks["grpc"] = _port(f"{path}.grpc.port", handler.grpc.port)
    elif handler.sleep:
        checks["sleep"] = _sleep(f"{path}.sleep", handler.sleep, grace_period)
    if not checks:
        yield field_errors.required(path, "must specify a handler type")
    for index, (name, errors) in enumerate(checks.items()):
        if index:
            yield field_errors.forbidden(f"{path}.{name}", _MORE_THAN_ONE)
        else:
            yield from errors


def _exec(path: str, command: tuple[str, ...]) -> Errors:
    if not command:
        yield field_errors.required(f"{path}.command")


def _http_get(path: str, action: HTTPGetAction) -> Errors:
    if not action.path:
        yield field_errors.required(f"{path}.path")
    yield from _port(f"{path}.port", action.port)
    if action.scheme not in ("HTTP", "HTTPS"):
        yield field_errors.not_supported(f"{path}.scheme", action.scheme, ("HTTP", "HTTPS"))
    for header in action.http_headers:
        yield from names.check(f"{path}.httpHeaders", header.name, names.header_problems)


def _port(path: str, port: int | str) -> Errors:
    if isinstance(port, int):
        yield from names.check_port(path, port)
    else:
        yield from names.check(path, port, names.port_name_problems)


def _sleep(path: str, action: SleepAction, grace_period: int | None) -> Errors:
    if grace_period is not None and not 0 <= action.seconds <= grace_period:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
        yield field_errors.invalid(path, action.seconds, detail)
