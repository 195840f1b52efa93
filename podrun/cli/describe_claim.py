"""A PersistentVolumeClaim, described: kubectl's order and words (describePVC), with the pods that use it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from podrun.cli.describe_pieces import annotation_lines, human_duration, pairs, seconds_since

Json = dict[str, Any]

_MODES = (
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
)


def text(claim: Json, pods: Iterable[Json]) -> str:
    """Lines with tabs. `pods`: those of its namespace."""
    metadata, spec, status = claim["metadata"], claim["spec"], claim.get("status") or {}
    bound = bool(spec.get("volumeName"))
    if metadata.get("deletionTimestamp"):
        lasts = human_duration(seconds_since(metadata["deletionTimestamp"], time.time()))
        phase = f"Terminating (lasts {lasts})"
    else:
        phase = status.get("phase", "")
    owners = {owner.get("uid") for owner in metadata.get("ownerReferences") or [] if owner.get("kind") == "Pod"}
    users = [
        pod["metadata"]["name"]
        for pod in pods
        if _uses(pod, metadata["name"]) or pod["metadata"].get("uid", "") in owners
    ] or ["<none>"]
    lines = [
        f"Name:\t{metadata['name']}",
        f"Namespace:\t{metadata.get('namespace', '')}",
        f"StorageClass:\t{spec.get('storageClassName') or ''}",
        f"Status:\t{phase}",
        f"Volume:\t{spec.get('volumeName') or ''}",
        *pairs("Labels", metadata.get("labels")),
        *annotation_lines(metadata.get("annotations")),
        f"Finalizers:\t[{' '.join(metadata.get('finalizers') or [])}]",
        f"Capacity:\t{(status.get('capacity') or {}).get('storage', '0') if bound else ''}",
        f"Access Modes:\t{modes_text(status.get('accessModes') or []) if bound else ''}",
        *([f"VolumeMode:\t{spec['volumeMode']}"] if spec.get("volumeMode") else []),
        f"Used By:\t{users[0]}",
        *(f"\t{name}" for name in users[1:]),
    ]
    return "\n".join(lines) + "\n"


def modes_text(modes: Iterable[str]) -> str:
    known = set(modes)
    return ",".join(short for mode, short in _MODES if mode in known)


def _uses(pod: Json, claim: str) -> bool:
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    sources = (volume.get("persistentVolumeClaim") or {} for volume in pod["spec"].get("volumes") or [])
    return any(source.get("claimName") == claim for source in sources)
