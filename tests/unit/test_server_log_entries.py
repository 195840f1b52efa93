"""From CRI entries to text: partial lines, times, limits, wherever the pieces are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from podrun.server.log_entries import Formatter, Selection

ENTRIES = (
    b"2027-01-15T08:00:00.000000001Z stdout F one\n"
    b"2027-01-15T08:00:01.5Z stderr P tw\n"
    b"2027-01-15T08:00:02.000000000Z stderr F o\n"
    b"2027-01-15T08:00:03.123456789Z stdout F \n"
    b"2027-01-15T08:00:04.000000000Z stdout P last"
    b"\n"
)
AT = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def formatted(selection: Selection, *pieces: bytes) -> bytes:
    formatter = Formatter(selection)
    return b"".join(formatter.feed(piece) for piece in pieces)


def test_partial_entries_are_joined_to_lines() -> None:
    assert formatted(Selection(), ENTRIES) == b"one\ntwo\n\nlast"


def test_a_time_is_shown_once_a_line() -> None:
    text = formatted(Selection(timestamps=True), ENTRIES)
    assert text.splitlines() == [
        b"2027-01-15T08:00:00.000000001Z one",
        b"2027-01-15T08:00:01.5Z two",
        b"2027-01-15T08:00:03.123456789Z ",
        b"2027-01-15T08:00:04.000000000Z last",
    ]


def test_lines_before_a_time_are_left_out() -> None:
    assert formatted(Selection(since=AT + 1.5), ENTRIES) == b"two\n\nlast"
    assert formatted(Selection(since=AT + 1.6), ENTRIES) == b"o\n\nlast"
    assert formatted(Selection(since=AT + 60), ENTRIES) == b""


def test_a_limit_counts_bytes_of_output() -> None:
    formatter = Formatter(Selection(limit=6))
    assert formatter.feed(ENTRIES[:60]) + formatter.feed(ENTRIES[60:]) == b"one\ntw"
    assert formatter.is_full


def test_what_is_no_entry_is_passed_over() -> None:
    assert formatted(Selection(), b"garbage\n\n" + ENTRIES) == b"one\ntwo\n\nlast"


@given(st.lists(st.integers(0, len(ENTRIES)), max_size=8), st.booleans())
def test_the_cuts_make_no_difference(cuts: list[int], timestamps: bool) -> None:
    places = [0, *sorted(cuts), len(ENTRIES)]
    pieces = [ENTRIES[start:end] for start, end in itertools.pairwise(places)]
    selection = Selection(timestamps=timestamps, since=AT + 1)
    assert formatted(selection, *pieces) == formatted(selection, ENTRIES)
