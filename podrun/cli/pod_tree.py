"""A pod as a tree: network, control groups, namespaces, pause, containers with their mounts and processes. Pure.

Takes what `/podrun/v1/.../anatomy` answers; every text that a pod can choose goes through `drawing.shown`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from podrun.cli import namespace_table
from podrun.cli.describe_pieces import human_duration, seconds_since
from podrun.cli.drawing import Branch, Line, Span, shown
from podrun.cli.process_tree import process_branches

Json = dict[str, Any]

LABEL = 8  # columns of `cpu`, `memory` and `mounts`
BAR = 10
MANAGED = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
SYSTEM = ("/proc", "/dev", "/sys")
KINDS = {"initContainers": "init container", "containers": "container", "ephemeralContainers": "ephemeral container"}


def tree(answer: Json, now: float, *, width: int) -> Branch:
    """`now` in seconds since the epoch. `width` only bounds how many namespaces stand side by side."""
    pod, anatomy = answer["pod"], answer["anatomy"] or {}
    running = anatomy.get("containers") or {}
    branches = []
    if anatomy.get("group"):
        branches += [_network(pod, anatomy), _group("cgroup", anatomy["group"])]
    if pause := anatomy.get("pause"):
        members = {
            "pause": pause,
            **{name: running[name] for _, spec in _specs(pod) if (name := spec["name"]) in running},
        }
        branches.append(namespace_table.branch(members, anatomy["machine"], width))
        branches.append(_pause(anatomy))
    elif anatomy.get("group"):
        branches.append(Branch(Line((Span("✘", "bad"), Span(" pause", "name")), (Span("does not run", "bad"),))))
    branches += [_container(pod, kind, spec, running.get(spec["name"]), now, width) for kind, spec in _specs(pod)]
    return Branch(_heading(pod, now), tuple(_message_lines(pod.get("status") or {}, width)), tuple(branches))


def _specs(pod: Json) -> Iterator[tuple[str, Json]]:
    """In the order in which they start, each with what kind of container it is."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for spec in pod["spec"].get(field) or []:
            is_sidecar = field == "initContainers" and spec.get("restartPolicy") == "Always"
            yield "sidecar" if is_sidecar else KINDS[field], spec


# The pod.


def _heading(pod: Json, now: float) -> Line:
    metadata, status = pod["metadata"], pod.get("status") or {}
    phase = status.get("phase") or "Pending"
    if metadata.get("deletionTimestamp"):
        phase = "Terminating"
    style = {"Running": "good", "Succeeded": "good", "Failed": "bad"}.get(phase, "warn")
    words = [status["reason"]] if status.get("reason") else []
    if status.get("startTime") and phase == "Running":
        words.append(human_duration(seconds_since(status["startTime"], now)))
    words.append(status.get("qosClass") or "")
    right = "".join(f" · {shown(word)}" for word in words if word)
    left = (
        Span(shown(metadata["name"]), "strong"),
        Span(f"  pod in namespace {shown(metadata['namespace'])}", "quiet"),
    )
    return Line(left, (Span(phase, style), Span(right, "quiet")))


def _message_lines(status: Json, width: int) -> Iterator[Line]:
    """Why it has failed, or has no place."""
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    unscheduled = conditions.get("PodScheduled", {})
    if status.get("message"):
        yield from _wrapped(status["message"], width - 4, "bad")
    elif unscheduled.get("status") == "False":
        yield from _wrapped(f"{unscheduled.get('reason')}: {unscheduled.get('message')}", width - 4, "warn")


def _wrapped(text: str, width: int, style: str) -> Iterator[Line]:
    for paragraph in text.splitlines():
        for line in textwrap.wrap(shown(paragraph), max(width, 40)):
            yield Line((Span(line, style),))


def _network(pod: Json, anatomy: Json) -> Branch:
    lines = []
    if pod["spec"].get("hostNetwork"):
        addresses = ", ".join(one["ip"] for one in (pod.get("status") or {}).get("podIPs") or [])
        lines.append(Line((Span("the machine's own  ", "warn"), Span(shown(addresses)))))
    elif link := anatomy.get("link"):
        lines += _link_lines(link)
    else:
        lines.append(Line((Span("none now", "quiet"),)))
    lines += _port_lines(pod)
    return Branch(Line((Span("network", "strong"),)), tuple(lines))


def _link_lines(link: Json) -> Iterator[Line]:
    """eth0 in the pod, one end of a pair whose other end is a port of the bridge."""
    first, *more = link["addresses"] or ["no address"]
    outside: list[Span] = []
    if link["hostEnd"]:
        outside += [Span(" ──── ", "shared"), Span(shown(link["hostEnd"]))]
    if link["bridge"]:
        outside += [Span(" ── ", "shared"), Span(shown(link["bridge"]))]
        outside.append(Span(f" {link['gateways'][0]}", "quiet"))
    yield Line((Span(f"{shown(link['name'])} "), Span(first, "good"), *outside))
    for position, address in enumerate(more):
        gateway = link["gateways"][position + 1 : position + 2]
        via = (Span(f"  by {gateway[0]}", "quiet"),) if gateway else ()
        yield Line((Span(" " * (len(link["name"]) + 1)), Span(address, "good"), *via))


def _port_lines(pod: Json) -> Iterator[Line]:
    for _, spec in _specs(pod):
        for port in spec.get("ports") or []:
            inner = f"{port['containerPort']}/{port.get('protocol', 'TCP')}"
            name = f" {spec['name']}" + (f" ({port['name']})" if port.get("name") else "")
            outer = f"{port.get('hostIP') or '*'}:{port['hostPort']}" if port.get("hostPort") else ""
            arrow = (Span(outer, "good"), Span(" → ", "shared")) if outer else ()
            yield Line((Span("port ", "quiet"), *arrow, Span(shown(inner)), Span(shown(name), "quiet")))


def _group(title: str, group: Json) -> Branch:
    return Branch(Line((Span(f"{title}  ", "strong"), Span(shown(group["path"])))), tuple(_use_lines(group)))


def _pause(anatomy: Json) -> Branch:
    first = anatomy["pause"]["processes"][:1]
    number = f"host {first[0]['pid']}" if first else ""
    left = (Span("●", "good"), Span(" pause", "name"), Span("  holds the namespaces that the containers join", "quiet"))
    shim = f"its parent, and that of all containers, is the shim, host {anatomy['shim']}"
    lines = (Line((Span(shim, "quiet"),)),) if anatomy["shim"] else ()
    return Branch(Line(left, (Span(number, "quiet"),)), lines)


# A container.


def _container(pod: Json, kind: str, spec: Json, member: Json | None, now: float, width: int) -> Branch:
    status = _status_of(pod, spec["name"])
    sign, style, words, message = _state(status, kind, now)
    if restarts := status.get("restartCount"):
        words += f" · {restarts} restart{'s' if restarts > 1 else ''}"
    left = (
        Span(sign, style),
        Span(f" {shown(spec['name'])}", "name"),
        Span(f"  {kind}, {shown(spec.get('image') or 'no image')}", "quiet"),
    )
    lines = list(_wrapped(message, width - 8, "quiet")) if message else []
    branches: tuple[Branch, ...] = ()
    if member is not None:
        lines += [*_use_lines(member["group"]), *_mount_lines(pod, spec, member)]
        branches = process_branches(member["processes"], member["moreProcesses"])
    return Branch(Line(left, (Span(words, style),)), tuple(lines), branches)


def _status_of(pod: Json, name: str) -> Json:
    status = pod.get("status") or {}
    lists = (status.get(f"{kind}Statuses") or [] for kind in ("container", "initContainer", "ephemeralContainer"))
    return next((one for each in lists for one in each if one["name"] == name), {})


def _state(status: Json, kind: str, now: float) -> tuple[str, str, str, str]:
    """Sign, its style, words, and what else there is to say."""
    state = status.get("state") or {}
    if running := state.get("running"):
        words = f"running {human_duration(seconds_since(running.get('startedAt') or '', now))}"
        if status.get("ready"):
            return "●", "good", f"{words} · ready", ""
        return ("●", "good", words, "") if kind in (KINDS["ephemeralContainers"],) else ("◐", "warn", words, "")
    if ended := state.get("terminated"):
        code = ended.get("exitCode", 0)
        words = f"{ended.get('reason') or 'ended'} · exit code {code}"
        ago = f" · {human_duration(seconds_since(ended['finishedAt'], now))} ago" if ended.get("finishedAt") else ""
        sign, style = ("✔", "good") if code == 0 else ("✘", "bad")
        return sign, style, shown(words + ago), ended.get("message") or ""
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason") or "waiting"
    return "○", "warn", shown(reason), waiting.get("message") or ""


def _use_lines(group: Json) -> Iterator[Line]:
    cpu = [_time_text(group.get("cpuUsed", 0)) + " used"]
    if group.get("cpuMost") is not None:
        cpu.append(f"at most {_cpu_text(group['cpuMost'])}")
    if group.get("cpuWeight") is not None:
        cpu.append(f"weight {group['cpuWeight']}")
    if group.get("pids") is not None:
        most = f" of {group['pidsMost']}" if group.get("pidsMost") is not None else ""
        cpu.append(f"{group['pids']}{most} task{'s' if group['pids'] != 1 or most else ''}")
    yield _labelled("cpu", Span(" · ".join(cpu)))
    if group.get("memory") is not None:
        yield _labelled("memory", *_memory_spans(group["memory"], group.get("memoryMost")), *_kill_spans(group))


def _memory_spans(used: int, most: int | None) -> tuple[Span, ...]:
    if most is None:
        return (Span(_bytes_text(used)), Span(" · no limit", "quiet"))
    share = min(used / most, 1.0) if most else 1.0
    filled = min(BAR, round(share * BAR)) or (1 if used else 0)
    style = "bad" if share >= 0.9 else "warn" if share >= 0.7 else "good"
    bar = (Span("█" * filled, style), Span("░" * (BAR - filled), "quiet"))
    return (*bar, Span(f" {_bytes_text(used)} of {_bytes_text(most)}"))


def _kill_spans(group: Json) -> tuple[Span, ...]:
    kills = group.get("oomKills", 0)
    return (Span(f" · {kills} OOM kill{'s' if kills > 1 else ''}", "bad"),) if kills else ()


def _labelled(label: str, *spans: Span) -> Line:
    return Line((Span(label.ljust(LABEL), "quiet"), *spans))


# Mounts.


def _mount_lines(pod: Json, spec: Json, member: Json) -> Iterator[Line]:
    """The root, the volumes, the files that podrun manages, and in one line what every container has."""
    mounts = {one["path"]: one for one in member["mounts"]}
    wished = {"/" + one["mountPath"].strip("/"): one for one in spec.get("volumeMounts") or []}
    sources = {one["name"]: one for one in pod["spec"].get("volumes") or []}
    rows: list[tuple[str, str, Json]] = []
    if root := mounts.pop("/", None):
        layers = f" over {root['layers']} layer{'s' if root['layers'] != 1 else ''}" if root["layers"] else ""
        rows.append(("/", f"{root['fstype']}{layers}", root))
    for path in sorted(wished.keys() & mounts.keys()):
        volume = sources.get(wished[path]["name"], {})
        what = f"{next((key for key in volume if key != 'name'), 'emptyDir')} {wished[path]['name']}"
        rows.append((path, what, mounts.pop(path)))
    managed = [path for path in MANAGED if mounts.pop(path, None)]
    column = min(max(len(shown(path)) for path in ("/etc", *(row[0] for row in rows))), 28) + 2
    labels = iter(["mounts"])
    for path, what, one in rows:
        ending = Span(", read-only" if one["readonly"] else "", "warn")
        yield _labelled(next(labels, ""), Span(shown(path).ljust(column)), Span(shown(what), "quiet"), ending)
    if managed:
        files = " ".join(path.removeprefix("/etc/") for path in managed)
        yield _labelled(next(labels, ""), Span("/etc".ljust(column)), Span(f"{files}, by podrun", "quiet"))
    if rest := sorted(mounts):
        yield _labelled(next(labels, ""), Span(_rest_text(rest, member["moreMounts"]), "quiet"))


def _rest_text(paths: Sequence[str], more: int) -> str:
    """The system's own by their tops; what is left is somebody's and is named."""
    own = [path for path in paths if path in SYSTEM or path.startswith(tuple(f"{top}/" for top in SYSTEM))]
    others = [path for path in paths if path not in own]
    text = f"and {len(own)} in {' '.join(top for top in SYSTEM if any(path.startswith(top) for path in own))}"
    parts = ([text] if own else []) + ([f"also {' '.join(map(shown, others[:6]))}"] if others else [])
    hidden = max(0, len(others) - 6) + more
    return ", ".join(parts) + (f" … and {hidden} more" if hidden else "")


# Amounts.


def _bytes_text(amount: int) -> str:
    """2.0Mi, 64Mi: two or three digits."""
    value, suffix = float(amount), "B"
    for suffix in ("B", "Ki", "Mi", "Gi", "Ti"):
        if value < 1024 or suffix == "Ti":
            break
        value /= 1024
    return f"{value:.1f}{suffix}" if value < 10 and suffix != "B" and value % 1 else f"{value:.0f}{suffix}"


def _time_text(microseconds: int) -> str:
    if microseconds < 1_000_000:
        return f"{microseconds // 1000}ms"
    return f"{microseconds / 1e6:.1f}s" if microseconds < 100_000_000 else human_duration(microseconds // 1_000_000)


def _cpu_text(milli: int) -> str:
    return f"{milli // 1000} CPU" if milli % 1000 == 0 else f"{milli}m CPU"
