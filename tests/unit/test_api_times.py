"""RFC 3339 times and kubectl's spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (5.9, "5s"), (119, "119s"), (120, "2m"), (200, "3m20s"),
        (599, "9m59s"), (600, "10m"), (179 * 60, "179m"), (3 * 3600, "3h"), (3 * 3600 + 300, "3h5m"),
        (8 * 3600, "8h"), (47 * 3600, "47h"), (48 * 3600, "2d"), (76 * 3600, "3d4h"), (9 * 86400, "9d"),
        (2 * 365 * 86400, "2y"), (800 * 86400, "2y70d"), (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_a_span_is_printed_as_in_the_age_column(seconds: float, text: str) -> None:
    assert times.human_duration(seconds) == text


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_a_time_survives_printing(seconds: int) -> None:
    assert times.unix_seconds(times.rfc3339(seconds)) == seconds


def test_fractions_and_offsets_are_understood() -> None:
    assert times.unix_seconds("1970-01-01T01:00:00.25+01:00") == 0.25
    assert times.unix_seconds("1970-01-01T00:00:01.123456789Z") == pytest.approx(1.123456)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01 00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parsing time"):
        times.unix_seconds(text)


def test_describe_has_its_own_form() -> None:
    assert times.rfc1123z("2026-01-01T00:00:00Z") == "Thu, 01 Jan 2026 00:00:00 +0000"
