"""Events that are said again, with a simulated clock: as client-go's correlator counts, combines and leaves out."""

from __future__ import annotations

from podrun.kubelet.event_correlation import BURST, MOST_REMEMBERED, REFILL, SIMILAR_WITHIN, Correlator, Said, Shown


class Speaker:
    """Says things to one correlator at a time that only the test moves on."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.said = 0
        self._correlator = Correlator()

    def say(
        self, message: str, *, reason: str = "Unhealthy", about: str = "u-1", source: str = "kubelet"
    ) -> Shown | None:
        self.said += 1
        event = Said(source, about, "spec.containers{a}", "Warning", reason, message)
        return self._correlator.correlate(event, f"web.{self.said}", self.now)

    def texts(self, *messages: str) -> list[tuple[str, int]]:
        shown = [self.say(message) for message in messages]
        return [(one.message, one.count) for one in shown if one is not None]


def test_the_same_is_counted_from_the_first_time_on() -> None:
    speaker = Speaker()
    began = speaker.now
    speaker.say("refused")
    speaker.now += 3000
    assert speaker.say("refused") == Shown("web.1", "refused", 2, began)


def test_the_tenth_message_of_a_reason_begins_a_combined_event() -> None:
    speaker = Speaker()
    assert speaker.texts(*"abcdefghi") == [(letter, 1) for letter in "abcdefghi"]
    combined = speaker.say("j")
    assert combined == Shown("web.10", "(combined from similar events): j", 1, speaker.now)
    assert speaker.say("k") == Shown("web.10", "(combined from similar events): k", 2, speaker.now)
    assert speaker.texts("a", "l") == [("a", 2), ("(combined from similar events): l", 3)]


def test_another_reason_or_object_is_not_similar() -> None:
    speaker = Speaker()
    speaker.texts(*"abcdefghi")
    assert (speaker.say("j", reason="BackOff") or Shown("", "", 0, 0)).message == "j"
    assert (speaker.say("j", about="u-2") or Shown("", "", 0, 0)).message == "j"


def test_ten_quiet_minutes_end_the_similarity() -> None:
    speaker = Speaker()
    speaker.texts(*"abcdefghij")
    speaker.now += SIMILAR_WITHIN
    assert speaker.texts("k") == [("(combined from similar events): k", 2)]  # each renews the ten minutes
    speaker.now += SIMILAR_WITHIN + 1
    assert speaker.texts("l") == [("l", 1)]


def test_a_source_that_says_too_much_of_an_object_is_left_out_but_counted() -> None:
    speaker = Speaker()
    assert len(speaker.texts(*["again"] * 40)) == BURST
    assert speaker.say("again", about="u-2") is not None
    assert speaker.say("again", source="default-scheduler") is not None
    speaker.now += REFILL - 1
    assert speaker.say("again") is None
    speaker.now += 1
    assert speaker.texts("again", "again") == [("again", 42)]


def test_a_rest_gives_back_no_more_than_the_burst_and_a_clock_set_back_nothing() -> None:
    speaker = Speaker()
    speaker.texts("again")
    speaker.now += 1000 * REFILL
    assert len(speaker.texts(*["again"] * 40)) == BURST
    speaker.now -= 500 * REFILL
    assert speaker.texts("again") == []
    speaker.now += REFILL
    assert len(speaker.texts("again", "again")) == 1


def test_what_was_not_said_for_the_longest_is_forgotten() -> None:
    speaker = Speaker()
    speaker.say("old", about="first")
    for number in range(MOST_REMEMBERED):
        speaker.say("old", about=f"u-{number}")
    again = speaker.say("old", about="first")
    assert again is not None
    assert again.count == 1
