"""Pieces of descriptions that pods and nodes share: times, maps, annotations."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LONGEST_ANNOTATION = 140

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC3339 = re.compile(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.\d+)?Z")


def rfc1123(timestamp: str | None) -> str:
    """A time of the API (RFC 3339, UTC) as RFC 1123 with a numeric zone, in the zone of this machine."""
    matched = _RFC3339.fullmatch(timestamp or "")
    if not matched:
        return "<unknown>" if timestamp is None else timestamp
    year, month, day, hour, minute, second = (int(part) for part in matched.groups())
    local = time.localtime(calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))
    offset = abs(local.tm_gmtoff) // 60
    zone = f"{'-' if local.tm_gmtoff < 0 else '+'}{offset // 60:02}{offset % 60:02}"
    date = f"{_DAYS[local.tm_wday]}, {local.tm_mday:02} {_MONTHS[local.tm_mon - 1]} {local.tm_year}"
    return f"{date} {local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {zone}"


def seconds_since(timestamp: str, now: float) -> int:
    matched = _RFC3339.fullmatch(timestamp)
    if not matched:
        return 0
    year, month, day, hour, minute, second = (int(part) for part in matched.groups())
    return int(now - calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def human_duration(seconds: int) -> str:
    """As duration.HumanDuration of apimachinery, for what a deletion lasts; 0 right before its end."""
    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    return f"{seconds // 60}m" if seconds < 10800 else f"{seconds // 3600}h"


def pairs(title: str, values: Mapping[str, str] | None) -> list[str]:
    """`Labels:` and the like, one pair a line."""
    if not values:
        return [f"{title}:\t<none>"]
    lines = [f"{key}={value}" for key, value in sorted(values.items())]
    return [f"{title}:\t{lines[0]}", *(f"\t{line}" for line in lines[1:])]


def annotation_lines(values: Mapping[str, str] | None) -> list[str]:
    """All but what apply keeps for itself; long ones below their key, and shortened."""
    shown = {key: value for key, value in (values or {}).items() if key != LAST_APPLIED}
    if not shown:
        return ["Annotations:\t<none>"]
    lines: list[str] = []
    for key, value in sorted(shown.items()):
        plain = value.removesuffix("\n")
        if len(plain) + len(key) + 2 > LONGEST_ANNOTATION or "\n" in plain:
            lines += [f"{key}:", *(f"  {_shortened(line)}" for line in plain.split("\n"))]
        else:
            lines.append(f"{key}: {plain}")
    return [f"Annotations:\t{lines[0]}", *(f"\t{line}" for line in lines[1:])]


def _shortened(line: str) -> str:
    limit = LONGEST_ANNOTATION - 2
    return line if len(line) <= limit else line[:limit] + "..."


def resource_lines(title: str, amounts: Mapping[str, Any] | None, indent: str) -> list[str]:
    """`Limits:` and the like with one resource a line; nothing if there are none."""
    if not amounts:
        return []
    return [f"{indent}{title}:", *(f"{indent}  {name}:\t{amount}" for name, amount in sorted(amounts.items()))]
