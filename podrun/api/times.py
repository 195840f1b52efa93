"""Points in time as the API writes them (RFC 3339, UTC, whole seconds) and spans as kubectl prints them."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def rfc3339(seconds: float) -> str:
    """Unix time in seconds as `2026-01-01T00:00:00Z`; fractions are cut off."""
    return _whole_second(int(seconds))


@functools.lru_cache(maxsize=1024)  # each status of a pod has a dozen times, and they seldom change
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """Unix time in seconds as `2026-01-01T00:00:00.000000Z` (meta/v1 MicroTime)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_seconds(text: str) -> float:
    """The reverse of `rfc3339`, with any fraction and offset. ValueError: not a time in RFC 3339."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    moment = re.sub(r"\.(\d{1,6})\d*", lambda found: "." + found[1].ljust(6, "0"), text.upper())
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f'parsing time "{text}": {error}') from None


def seconds_since(text: str | None, now: float) -> float | None:
    """Seconds from `text` to `now` (Unix time); None where there is no time."""
    return None if text is None else now - unix_seconds(text)


def rfc1123z(text: str) -> str:
    """A time as `describe` prints it: `Thu, 01 Jan 2026 00:00:00 +0000`."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=unix_seconds(text))
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{days[moment.weekday()]}, {moment:%d} {months[moment.month - 1]} {moment:%Y %H:%M:%S} +0000"


def go_duration(seconds: float) -> str:
    """A span as Go prints a time.Duration, cut off to milliseconds: `203ms`, `1.5s`, `1m2.003s`."""
    thousandths = int(seconds * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest // 1000}.{rest % 1000:03}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "") + text


def human_duration(seconds: float) -> str:
    """A span as in kubectl's AGE column: two units where the larger one alone would say too little."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    if whole < 120:
        return f"{whole}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return _two_units(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return _two_units(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _two_units(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two_units(larger: int, larger_unit: str, smaller: int, smaller_unit: str) -> str:
    return f"{larger}{larger_unit}" + (f"{smaller}{smaller_unit}" if smaller else "")
