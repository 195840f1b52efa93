"""The node's own limits as an administrator writes them: feature gates, eviction thresholds, when images go. Pure.

The options are the kubelet's, and so are their defaults (podrun/paths.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podrun.errors import PodrunError
from podrun.paths import Paths

FEATURE_GATES = ("MemoryQoS",)

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    memory_qos: bool


def from_paths(paths: Paths) -> NodeSettings:
    """PodrunError names the option that is wrong."""
    gates = _feature_gates(paths.feature_gates)
    return NodeSettings(memory_qos=gates.get("MemoryQoS", False))


def _feature_gates(text: str) -> dict[str, bool]:
    found = {}
    for word in filter(None, text.split(",")):
        name, separator, value = word.partition("=")
        if name not in FEATURE_GATES:
            raise _wrong("feature-gates", f"unrecognized feature gate: {name}")
        if not separator or value not in ("true", "false"):
            raise _wrong("feature-gates", f"invalid value of {name}={value}: must be true or false")
        found[name] = value == "true"
    return found


def _wrong(option: str, why: str) -> PodrunError:
    return PodrunError(f"cannot use --{option}: {why}")
