"""This node, described: kubectl's order and words (kubectl/pkg/describe, describeNode), with what its pods ask for."""

from __future__ import annotations

import re
from typing import Any

from podrun.cli.describe_pieces import annotation_lines, pairs, resource_lines, rfc1123

Json = dict[str, Any]

NAMES = ("cpu", "memory", "ephemeral-storage")
HUGE = "hugepages-"
_ROLE = "node-role.kubernetes.io/"
_SYSTEM = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
_QUANTITY = re.compile(r"([\d.]+)(m|[kMGTPE]|[KMGTPE]i)?")
_DECIMAL = {unit: 10.0 ** (3 * power) for power, unit in enumerate("kMGTPE", 1)}
_BINARY = {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}
_SCALES = {"m": 1e-3, "": 1.0, **_DECIMAL, **_BINARY}


def text(node: Json, pods: Json) -> str:
    """`pods`: the server's table of all pods, with whole pods as its rows' objects."""
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    labels = metadata.get("labels") or {}
    roles = sorted(label.removeprefix(_ROLE) for label in labels if label.startswith(_ROLE))
    taints = [
        f"{one['key']}{'=' + one['value'] if one.get('value') else ''}:{one['effect']}"
        for one in spec.get("taints") or []
    ]
    lines = [f"Name:\t{metadata['name']}", f"Roles:\t{','.join(roles) or '<none>'}", *pairs("Labels", labels)]
    lines += annotation_lines(metadata.get("annotations"))
    lines.append(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    lines += [f"Taints:\t{(taints or ['<none>'])[0]}", *(f"\t{one}" for one in taints[1:])]
    lines.append(f"Unschedulable:\t{str(bool(spec.get('unschedulable'))).lower()}")
    lines += _conditions(status.get("conditions") or [])
    lines += ["Addresses:", *(f"  {one['type']}:\t{one['address']}" for one in status.get("addresses") or [])]
    lines += resource_lines("Capacity", status.get("capacity"), "")
    lines += resource_lines("Allocatable", status.get("allocatable"), "")
    info = status.get("nodeInfo") or {}
    lines += ["System Info:", *(f"  {title}:\t{info.get(key, '')}" for title, key in _SYSTEM)]
    if spec.get("podCIDR"):
        lines += [f"PodCIDR:\t{spec['podCIDR']}", f"PodCIDRs:\t{','.join(spec.get('podCIDRs') or [spec['podCIDR']])}"]
    return "\n".join([*lines, *_pods(pods, status.get("allocatable") or {})]) + "\n"


def _conditions(conditions: list[Json]) -> list[str]:
    if not conditions:
        return []
    titles = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
    lines = ["Conditions:", *_headed(titles)]
    for one in conditions:
        times = (rfc1123(one.get("lastHeartbeatTime")), rfc1123(one.get("lastTransitionTime")))
        cells = (one["type"], one["status"], *times, one.get("reason", ""), one.get("message", ""))
        lines.append("  " + " \t".join(cells))
    return lines


def _headed(titles: tuple[str, ...]) -> list[str]:
    """A title with a tab at its end leaves an empty column behind it."""
    return ["  " + "\t".join(titles), "  " + "\t".join(re.sub(r"[^\t]", "-", title) for title in titles)]


def _pods(table: Json, allocatable: Json) -> list[str]:
    age = next((index for index, one in enumerate(table.get("columnDefinitions") or []) if one["name"] == "Age"), 0)
    rows = [row for row in table.get("rows") or [] if _phase(row["object"]) not in ("Succeeded", "Failed")]
    titles = ("Namespace", "Name\t", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age")
    lines = [f"Non-terminated Pods:\t({len(rows)} in total)", *_headed(titles)]
    huge = sorted(name for name in allocatable if name.startswith(HUGE))
    extended = sorted(name for name in allocatable if "/" in name)
    kinds = [(name, kind) for name in (*NAMES, *huge, *extended) for kind in ("requests", "limits")]
    total = dict.fromkeys(kinds, 0.0)
    for row in rows:
        pod, asked = row["object"], []
        for name, kind in kinds:
            wanted = asked_by(pod["spec"], kind, name)
            total[name, kind] += wanted
            if name in ("cpu", "memory"):
                asked.append(_share(wanted, name, allocatable))
        metadata = pod["metadata"]
        lines.append(
            "  " + "\t".join([metadata.get("namespace", ""), metadata["name"] + "\t", *asked, str(row["cells"][age])])
        )
    lines += ["Allocated resources:", "  (Total limits may be over 100 percent, i.e., overcommitted.)"]
    lines += _headed(("Resource", "Requests", "Limits"))
    for name in (*NAMES, *huge):
        shares = [_share(total[name, kind], name, allocatable) for kind in ("requests", "limits")]
        lines.append("  " + "\t".join([name, *shares]))
    for name in extended:
        lines.append("  " + "\t".join([name, *(str(round(total[name, kind])) for kind in ("requests", "limits"))]))
    return lines


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def asked_by(spec: Json, kind: str, name: str) -> float:
    """What a pod asks for: its containers and sidecars together, or the largest moment of its initialization."""

    def of(container: Json) -> float:
        return amount(((container.get("resources") or {}).get(kind) or {}).get(name, "0"))

    sidecars, largest = 0.0, 0.0
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars += of(container)
            largest = max(largest, sidecars)
        else:
            largest = max(largest, sidecars + of(container))
    together = sidecars + sum(of(container) for container in spec["containers"])
    return max(together, largest) + amount((spec.get("overhead") or {}).get(name, "0"))


def amount(quantity: object) -> float:
    """The number that a Kubernetes quantity stands for; 0 for what is none."""
    matched = _QUANTITY.fullmatch(str(quantity))
    return float(matched[1]) * _SCALES[matched[2] or ""] if matched else 0.0


def _share(value: float, name: str, allocatable: Json) -> str:
    whole = amount(allocatable.get(name, "0"))
    percent = int(value / whole * 100 + 1e-9) if whole else 0
    return f"{cpu_text(value) if name == 'cpu' else bytes_text(value)} ({percent}%)"


def cpu_text(value: float) -> str:
    milli = round(value * 1000)
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def bytes_text(value: float) -> str:
    """With the largest binary unit that leaves a whole number."""
    size = round(value)
    for unit in reversed(_BINARY):
        scale = int(_BINARY[unit])
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return str(size)
