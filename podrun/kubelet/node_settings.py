"""The node's own limits as an administrator writes them: feature gates, eviction thresholds, when images go. Pure.

The options are the kubelet's, and so are their defaults (podrun/paths.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podrun.api import quantity
from podrun.errors import PodrunError
from podrun.kubelet.eviction import RESOURCES, Threshold
from podrun.kubelet.image_gc import ImagePolicy
from podrun.paths import Paths

FEATURE_GATES = ("MemoryQoS",)
SHORTEST_PERIOD = 0.1  # seconds

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Periods in seconds."""

    memory_qos: bool
    thresholds: tuple[Threshold, ...]
    pressure_transition: float  # how long a pressure is shown after it was there
    eviction_period: float  # between two looks
    log_max_bytes: int
    log_max_files: int
    images: ImagePolicy


def from_paths(paths: Paths) -> NodeSettings:
    """PodrunError names the option that is wrong."""
    gates = _feature_gates(paths.feature_gates)
    return NodeSettings(
        memory_qos=gates.get("MemoryQoS", False),
        thresholds=_thresholds(paths.eviction_hard),
        pressure_transition=_seconds("eviction-pressure-transition-period", paths.eviction_pressure_transition_period),
        eviction_period=max(_seconds("eviction-monitoring-period", paths.eviction_monitoring_period), SHORTEST_PERIOD),
        log_max_bytes=_log_size(paths.container_log_max_size),
        log_max_files=_log_files(paths.container_log_max_files),
        images=_image_policy(paths),
    )


def _log_size(text: str) -> int:
    try:
        size = quantity.bytes_value(text)
    except ValueError as error:
        raise _wrong("container-log-max-size", f'failed to parse container log max size "{text}": {error}') from None
    if size <= 0:
        raise _wrong("container-log-max-size", f"must be greater than 0, not {text}")
    return size


def _log_files(text: str) -> int:
    if not text.isdecimal() or int(text) <= 1:
        raise _wrong("container-log-max-files", f"must be greater than 1, not {text}")
    return int(text)


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


def _thresholds(text: str) -> tuple[Threshold, ...]:
    """As `memory.available<100Mi,nodefs.available<10%`; `none` for no threshold at all."""
    option, found = "eviction-hard", {}
    for word in filter(None, text.split(",")) if text != "none" else ():
        signal, separator, amount = word.partition("<")
        if not separator:
            raise _wrong(option, f"invalid eviction threshold syntax {word}, expected <signal><operator><value>")
        if signal not in RESOURCES:
            raise _wrong(option, f"unsupported eviction signal {signal}")
        if signal in found:
            raise _wrong(option, f"duplicate eviction threshold of {signal}")
        if not _is_amount(amount):
            raise _wrong(option, f"eviction threshold {signal} must be a positive amount or percentage, not {amount}")
        found[signal] = Threshold(signal, amount)
    return tuple(found.values())


def _is_amount(text: str) -> bool:
    try:
        if text.endswith("%"):
            return 0 <= float(text[:-1]) <= 100
        return quantity.parse(text).nanos >= 0
    except ValueError:
        return False


def _image_policy(paths: Paths) -> ImagePolicy:
    high = _percent("image-gc-high-threshold", paths.image_gc_high_threshold)
    low = _percent("image-gc-low-threshold", paths.image_gc_low_threshold)
    if low > high:
        raise _wrong("image-gc-low-threshold", f"{low} must be less than or equal to the high threshold {high}")
    return ImagePolicy(high, low, _seconds("minimum-image-ttl-duration", paths.minimum_image_ttl_duration))


def _percent(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 100:
        raise _wrong(option, f'"{text}" must be a number from 0 to 100')
    return int(text)


def _seconds(option: str, text: str) -> float:
    """A duration as Go writes it: 5m, 1m30s, 0.5s."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise _wrong(option, f'invalid duration "{text}"')
    hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def _wrong(option: str, why: str) -> PodrunError:
    return PodrunError(f"cannot use --{option}: {why}")
