"""A pod, described: kubectl's order and words (kubectl/pkg/describe, describePod). Lines with tabs, to be aligned."""

from __future__ import annotations

import time
from typing import Any

from podrun.cli import describe_containers, describe_volumes
from podrun.cli.describe_pieces import annotation_lines, human_duration, pairs, rfc1123, seconds_since

Json = dict[str, Any]


def text(pod: Json) -> str:
    spec, status = pod["spec"], pod.get("status") or {}
    lines = [*_heading(pod, spec, status), *_state(pod, spec, status), *_addresses(status), *_owners(pod)]
    if init := spec.get("initContainers"):
        lines += describe_containers.lines("Init Containers", init, status.get("initContainerStatuses"), pod)
    lines += describe_containers.lines("Containers", spec["containers"], status.get("containerStatuses"), pod)
    if ephemeral := spec.get("ephemeralContainers"):
        lines += describe_containers.lines(
            "Ephemeral Containers", ephemeral, status.get("ephemeralContainerStatuses"), pod
        )
    lines += _conditions(spec, status)
    lines += describe_volumes.lines(spec.get("volumes"))
    lines.append(f"QoS Class:\t{status.get('qosClass', '')}")
    lines += pairs("Node-Selectors", spec.get("nodeSelector"))
    lines += _tolerations(spec.get("tolerations") or [])
    return "\n".join(lines) + "\n"


def _heading(pod: Json, spec: Json, status: Json) -> list[str]:
    metadata = pod["metadata"]
    node = spec.get("nodeName")
    lines = [f"Name:\t{metadata['name']}", f"Namespace:\t{metadata.get('namespace', '')}"]
    if spec.get("priority") is not None:
        lines.append(f"Priority:\t{spec['priority']}")
    for title, key in (
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(key):
            lines.append(f"{title}:\t{spec[key]}")
    lines.append(f"Node:\t{node}/{status.get('hostIP', '')}" if node else "Node:\t<none>")
    if status.get("startTime"):
        lines.append(f"Start Time:\t{rfc1123(status['startTime'])}")
    return [*lines, *pairs("Labels", metadata.get("labels")), *annotation_lines(metadata.get("annotations"))]


def _state(pod: Json, spec: Json, status: Json) -> list[str]:
    metadata, phase = pod["metadata"], status.get("phase", "")
    if metadata.get("deletionTimestamp") and phase not in ("Succeeded", "Failed"):
        lasts = human_duration(seconds_since(metadata["deletionTimestamp"], time.time()))
        lines = [
            f"Status:\tTerminating (lasts {lasts})",
            f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s",
        ]
    else:
        lines = [f"Status:\t{phase}"]
    if status.get("reason"):
        lines.append(f"Reason:\t{status['reason']}")
    if status.get("message"):
        lines.append(f"Message:\t{status['message']}")
    return lines + describe_containers.seccomp_lines(spec.get("securityContext"), "")


def _addresses(status: Json) -> list[str]:
    addresses = status.get("podIPs") or []
    every = ["IPs:", *(f"  IP:\t{one.get('ip', '')}" for one in addresses)] if addresses else ["IPs:\t<none>"]
    return [f"IP:\t{status.get('podIP', '')}", *every]


def _owners(pod: Json) -> list[str]:
    lines = [
        f"Controlled By:\t{owner['kind']}/{owner['name']}"
        for owner in pod["metadata"].get("ownerReferences") or []
        if owner.get("controller")
    ]
    if nominated := (pod.get("status") or {}).get("nominatedNodeName"):
        lines.append(f"NominatedNodeName:\t{nominated}")
    return lines


def _conditions(spec: Json, status: Json) -> list[str]:
    conditions = status.get("conditions") or []
    known = {one["type"]: one["status"] for one in conditions}
    lines = []
    if gates := spec.get("readinessGates"):
        lines += ["Readiness Gates:", "  Type\tStatus"]
        lines += [f"  {gate['conditionType']} \t{known.get(gate['conditionType'], '<none>')} " for gate in gates]
    if conditions:
        lines += ["Conditions:", "  Type\tStatus", *(f"  {one['type']} \t{one['status']} " for one in conditions)]
    return lines


def _tolerations(tolerations: list[Json]) -> list[str]:
    if not tolerations:
        return ["Tolerations:\t<none>"]
    texts = [_toleration(one) for one in sorted(tolerations, key=lambda one: str(one.get("key") or ""))]
    return [f"Tolerations:\t{texts[0]}", *(f"\t{one}" for one in texts[1:])]


def _toleration(one: Json) -> str:
    said = one.get("key") or ""
    if one.get("value"):
        said += f"={one['value']}"
    if one.get("effect"):
        said += f":{one['effect']}"
    if one.get("operator") == "Exists" and not one.get("value"):
        said += " op=Exists" if said else "op=Exists"
    if one.get("tolerationSeconds") is not None:
        said += f" for {one['tolerationSeconds']}s"
    return said
