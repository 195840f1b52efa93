"""The container blocks of a described pod."""

from __future__ import annotations

import math
from typing import Any

from podrun.cli import describe_node
from podrun.cli.describe_pieces import resource_lines, rfc1123

Json = dict[str, Any]

_IN, _BELOW = "    ", "      "


def lines(title: str, containers: list[Json], statuses: list[Json] | None, pod: Json) -> list[str]:
    known = {status["name"]: status for status in statuses or []}
    said = [f"{title}:"]
    for container in containers:
        said += _container(container, known.get(container["name"]), pod)
    return said


def _container(container: Json, status: Json | None, pod: Json) -> list[str]:
    said = [f"  {container['name']}:"]
    if status is not None:
        said.append(f"{_IN}Container ID:\t{status.get('containerID', '')}")
    said.append(f"{_IN}Image:\t{container.get('image', '')}")
    if status is not None:
        said.append(f"{_IN}Image ID:\t{status.get('imageID', '')}")
    said += _ports("Port", container.get("ports") or [], "containerPort")
    said += _ports("Host Port", container.get("ports") or [], "hostPort")
    said += seccomp_lines(container.get("securityContext"), _IN)
    for title, key in (("Command", "command"), ("Args", "args")):
        if words := container.get(key):
            said.append(f"{_IN}{title}:")
            said += [f"{_BELOW}{line}" for word in words for line in word.split("\n")]
    if status is not None:
        said += _states(status)
    resources = container.get("resources") or {}
    said += resource_lines("Limits", resources.get("limits"), _IN)
    said += resource_lines("Requests", resources.get("requests"), _IN)
    for title, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        if probe := container.get(key):
            said.append(f"{_IN}{title}:\t{probe_text(probe)}")
    said += _environment_sources(container.get("envFrom") or [])
    said += _environment(container, pod)
    return said + _mounts(container)


def seccomp_lines(context: Json | None, indent: str) -> list[str]:
    profile = (context or {}).get("seccompProfile")
    if not profile:
        return []
    said = [f"{indent}SeccompProfile:\t{profile.get('type', '')}"]
    if profile.get("type") == "Localhost":
        said.append(f"{indent}LocalhostProfile:\t{profile.get('localhostProfile', '')}")
    return said


def _ports(title: str, ports: list[Json], key: str) -> list[str]:
    text = ", ".join(f"{port.get(key) or 0}/{port.get('protocol') or 'TCP'}" for port in ports)
    return [f"{_IN}{title}{'s' if len(ports) > 1 else ''}:\t{text or '<none>'}"]


def _states(status: Json) -> list[str]:
    said = _state("State", status.get("state") or {})
    if (status.get("lastState") or {}).get("terminated"):
        said += _state("Last State", status["lastState"])
    said.append(f"{_IN}Ready:\t{bool(status.get('ready'))}")
    said.append(f"{_IN}Restart Count:\t{status.get('restartCount', 0)}")
    return said


def _state(title: str, state: Json) -> list[str]:
    if running := state.get("running"):
        return [f"{_IN}{title}:\tRunning", f"{_BELOW}Started:\t{rfc1123(running.get('startedAt'))}"]
    if ended := state.get("terminated"):
        said = [f"{_IN}{title}:\tTerminated"]
        said += [f"{_BELOW}{name}:\t{ended[key]}" for name, key in (("Reason", "reason"),) if ended.get(key)]
        if ended.get("message"):
            said.append(f"{_BELOW}Message:\t{ended['message']}")
        said.append(f"{_BELOW}Exit Code:\t{ended.get('exitCode', 0)}")
        if ended.get("signal"):
            said.append(f"{_BELOW}Signal:\t{ended['signal']}")
        said.append(f"{_BELOW}Started:\t{rfc1123(ended.get('startedAt'))}")
        return [*said, f"{_BELOW}Finished:\t{rfc1123(ended.get('finishedAt'))}"]
    said = [f"{_IN}{title}:\tWaiting"]
    if reason := (state.get("waiting") or {}).get("reason"):
        said.append(f"{_BELOW}Reason:\t{reason}")
    return said


def probe_text(probe: Json) -> str:
    """`http-get http://:8080/ delay=0s timeout=1s period=10s #success=1 #failure=3`."""
    attributes = (
        f"delay={probe.get('initialDelaySeconds') or 0}s timeout={probe.get('timeoutSeconds') or 1}s "
        f"period={probe.get('periodSeconds') or 10}s #success={probe.get('successThreshold') or 1} "
        f"#failure={probe.get('failureThreshold') or 3}"
    )
    match probe:
        case {"exec": dict(action)}:
            return f"exec [{' '.join(action.get('command') or [])}] {attributes}"
        case {"httpGet": dict(action)}:
            host = action.get("host") or ""
            where = f"[{host}]" if ":" in host else host
            path = action.get("path") or ""
            path = path if not path or path.startswith("/") else f"/{path}"
            scheme = (action.get("scheme") or "HTTP").lower()
            return f"http-get {scheme}://{where}:{action.get('port')}{path} {attributes}"
        case {"tcpSocket": dict(action)}:
            return f"tcp-socket {action.get('host') or ''}:{action.get('port')} {attributes}"
        case {"grpc": dict(action)}:
            return f"grpc <pod>:{action.get('port')} {action.get('service') or ''} {attributes}"
        case _:
            return f"unknown {attributes}"


def _environment_sources(sources: list[Json]) -> list[str]:
    if not sources:
        return []
    said = [f"{_IN}Environment Variables from:"]
    for source in sources:
        kind, key = ("ConfigMap", "configMapRef") if source.get("configMapRef") else ("Secret", "secretRef")
        named = source.get(key) or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        said.append(f"{_BELOW}{named.get('name', '')}\t{kind}{prefix}\tOptional: {_bool(named.get('optional'))}")
    return said


def _environment(container: Json, pod: Json) -> list[str]:
    variables = container.get("env") or []
    if not variables:
        return [f"{_IN}Environment:\t<none>"]
    said = [f"{_IN}Environment:"]
    for variable in variables:
        name, source = variable["name"], variable.get("valueFrom")
        if source:
            said.append(f"{_BELOW}{name}:\t{_source(source, container, pod)}")
        else:
            first, *more = (variable.get("value") or "").split("\n")
            said += [f"{_BELOW}{name}:\t{first}", *(f"{_BELOW}\t{line}" for line in more)]
    return said


def _source(source: Json, container: Json, pod: Json) -> str:
    match source:
        case {"fieldRef": dict(field)}:
            value = _field(field.get("fieldPath", ""), pod)
            return f"{value} ({field.get('apiVersion') or 'v1'}:{field.get('fieldPath', '')})"
        case {"resourceFieldRef": dict(field)}:
            return f"{_amount(field, container)} ({field.get('resource', '')})"
        case {"secretKeyRef": dict(key)}:
            where = f"<set to the key '{key.get('key', '')}' in secret '{key.get('name', '')}'>"
            return f"{where}\tOptional: {_bool(key.get('optional'))}"
        case {"configMapKeyRef": dict(key)}:
            where = f"<set to the key '{key.get('key', '')}' of config map '{key.get('name', '')}'>"
            return f"{where}\tOptional: {_bool(key.get('optional'))}"
        case {"fileKeyRef": dict(key)}:
            where = f"<set to the key '{key.get('key', '')}' in file '{key.get('path', '')}'"
            return f"{where} of volume '{key.get('volumeName', '')}'>\tOptional: {_bool(key.get('optional'))}"
        case _:
            return ""


def _amount(reference: Json, container: Json) -> str:
    """In units of the divisor, rounded up; the node's is not known here."""
    resource = str(reference.get("resource", ""))
    kind, _, name = resource.partition(".")
    amount = describe_node.amount(((container.get("resources") or {}).get(kind) or {}).get(name, "0"))
    if amount == 0 and resource in ("limits.cpu", "limits.memory"):
        return "node allocatable"
    return str(math.ceil(amount / (describe_node.amount(reference.get("divisor", "0")) or 1) - 1e-9))


def _field(path: str, pod: Json) -> str:
    """What the pod's metadata says now; the rest is known only inside."""
    metadata = pod["metadata"]
    kind, bracket, rest = path.partition("['")
    if bracket and kind in ("metadata.labels", "metadata.annotations"):
        return str((metadata.get(kind.removeprefix("metadata.")) or {}).get(rest.removesuffix("']"), ""))
    simple = {f"metadata.{key}": metadata.get(key, "") for key in ("name", "namespace", "uid")}
    return str(simple.get(path, ""))


def _mounts(container: Json) -> list[str]:
    mounts = sorted(container.get("volumeMounts") or [], key=lambda mount: str(mount["mountPath"]))
    said = [f"{_IN}Mounts:" if mounts else f"{_IN}Mounts:\t<none>"]
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        said.append(f"{_BELOW}{mount['mountPath']} from {mount['name']} ({','.join(flags)})")
    if devices := container.get("volumeDevices"):
        said.append(f"{_IN}Devices:")
        said += [f"{_BELOW}{device['devicePath']} from {device['name']}" for device in devices]
    return said


def _bool(value: object) -> str:
    return str(bool(value)).lower()
