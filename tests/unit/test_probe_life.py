"""One probe of one run: thresholds, streaks, holds and times, by pkg/kubelet/prober/worker.go."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import objects
from podrun.kubelet import probe_life
from podrun.kubelet.probe_life import Kind, ProbeLife, Result, Verdict
from podrun.probe.outcomes import Errored, Failed, Outcome, Succeeded, Warned

LATE = 1000.0  # seconds after the first probing: nothing is early any more
PROBE = objects.Probe(period_seconds=10, timeout_seconds=1, success_threshold=1, failure_threshold=3)
REFUSED = Failed("dial tcp 10.0.0.2:80: connect: connection refused", nobody_listens=True)


def results(kind: Kind, outcomes: Iterable[Outcome], spec: objects.Probe = PROBE) -> list[Result | None]:
    """What each probing made the kubelet believe anew."""
    life, told = probe_life.born(kind), []
    for outcome in outcomes:
        life, verdict = probe_life.judged(spec, kind, life, outcome, LATE)
        told.append(verdict.result if verdict else None)
    return told


def test_before_the_first_probing_a_container_is_alive_not_ready_and_not_started() -> None:
    kinds: tuple[Kind, ...] = ("liveness", "readiness", "startup")
    assert [probe_life.born(kind).result for kind in kinds] == ["success", "failure", "unknown"]


def test_one_success_makes_ready_and_three_failures_in_a_row_make_unready() -> None:
    story = [Succeeded(), Failed("1"), Failed("2"), Failed("3"), Failed("4"), Succeeded()]
    assert results("readiness", story) == ["success", None, None, "failure", None, "success"]


def test_a_success_between_failures_starts_the_count_again() -> None:
    story = [Succeeded(), Failed("1"), Failed("2"), Succeeded(), Failed("1"), Failed("2"), Failed("3")]
    assert results("readiness", story) == ["success", None, None, None, None, None, "failure"]


def test_a_success_threshold_is_counted_like_one_of_failures() -> None:
    spec = objects.Probe(period_seconds=1, success_threshold=2, failure_threshold=1)
    story = [Succeeded(), Succeeded(), Failed("1"), Succeeded(), Failed("2"), Succeeded(), Succeeded()]
    assert results("readiness", story, spec) == [None, "success", "failure", None, None, None, "success"]


def test_an_error_counts_for_nothing_and_breaks_no_streak() -> None:
    story = [Failed("1"), Errored("?"), Failed("2"), Errored("?"), Failed("3")]
    assert results("liveness", story) == [None, None, None, None, "failure"]


def test_a_warning_is_a_success() -> None:
    assert results("startup", [Warned("Probe terminated redirects")]) == ["success"]


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_after_its_failure_nothing_more_is_believed_of_the_run(kind: Kind) -> None:
    assert results(kind, [Failed("x")] * 3 + [Succeeded()] * 3) == [None, None, "failure", None, None, None]


def test_the_verdict_repeats_what_the_last_probing_said() -> None:
    life = ProbeLife("success", "failure", 2)
    _, verdict = probe_life.judged(PROBE, "liveness", life, Failed("HTTP probe failed with statuscode: 503"), LATE)
    assert verdict == Verdict("failure", "HTTP probe failed with statuscode: 503")


def test_what_an_earlier_kubelet_believed_is_believed_on() -> None:
    life, verdict = probe_life.judged(PROBE, "readiness", probe_life.born("readiness", "success"), REFUSED, 0.0)
    assert (life.result, life.streak, verdict) == ("success", 1, None)


def test_a_port_that_nobody_listens_on_yet_is_looked_at_often_within_the_first_period() -> None:
    life, elapsed, looks = probe_life.born("startup"), 0.0, []
    while True:
        life, verdict = probe_life.judged(PROBE, "startup", life, REFUSED, elapsed)
        assert verdict is None
        if life.streak:
            break
        pause = probe_life.pause(PROBE, life)
        looks.append(pause)
        elapsed += pause
    assert looks[0] <= 0.05
    assert all(after == 2 * before for before, after in itertools.pairwise(looks[:-1]))
    assert 10 <= elapsed <= 30  # the failure counts once a period is over
    assert (life.streak, life.looks, probe_life.pause(PROBE, life)) == (1, 0, 10.0)


def test_liveness_and_answers_of_a_server_are_never_early() -> None:
    unavailable = Failed("HTTP probe failed with statuscode: 503")
    for kind, outcome in (("liveness", REFUSED), ("readiness", unavailable), ("startup", unavailable)):
        life, _ = probe_life.judged(PROBE, kind, probe_life.born(kind), outcome, 0.0)  # type: ignore[arg-type]
        assert (life.looks, life.streak) == (0, 1)


def test_the_first_probing_comes_at_once_or_after_the_initial_delay() -> None:
    delayed = objects.Probe(period_seconds=10, initial_delay_seconds=5)
    assert probe_life.first_pause(PROBE, 100, 100.2, 50, 0.5) == 0
    assert probe_life.first_pause(delayed, 100, 102, 50, 0.5) == 3
    assert probe_life.first_pause(delayed, 100, 110, 50, 0.5) == 0


def test_only_a_kubelet_that_took_the_run_over_just_now_waits_a_random_time() -> None:
    assert probe_life.first_pause(PROBE, started_at=100, now=201, kubelet_started_at=200, chance=0.5) == 5
    assert probe_life.first_pause(PROBE, started_at=100, now=211, kubelet_started_at=200, chance=0.5) == 0
    assert probe_life.first_pause(PROBE, started_at=201, now=202, kubelet_started_at=200, chance=0.5) == 0


def test_startup_holds_the_others_back_and_a_deletion_leaves_readiness_alone() -> None:
    container = objects.Container(name="c", startup_probe=PROBE, liveness_probe=PROBE, readiness_probe=PROBE)
    assert probe_life.wanted(container, started=False, deleting=False) == ("startup",)
    assert probe_life.wanted(container, started=True, deleting=False) == ("liveness", "readiness")
    assert probe_life.wanted(container, started=True, deleting=True) == ("readiness",)
    assert probe_life.wanted(container, started=False, deleting=True) == ()
    plain = objects.Container(name="c", readiness_probe=PROBE)
    assert probe_life.wanted(plain, started=False, deleting=False) == ("readiness",)
    assert probe_life.wanted(objects.Container(name="c"), started=True, deleting=False) == ()


def test_events_have_the_words_of_the_kubelet() -> None:
    assert probe_life.event("readiness", Failed("no")) == ("Unhealthy", "Readiness probe failed: no")
    errored = "Liveness probe errored and resulted in unknown state: no"
    assert probe_life.event("liveness", Errored("no")) == ("Unhealthy", errored)
    assert probe_life.event("startup", Warned("so so")) == ("ProbeWarning", "Startup probe warning: so so")
    assert probe_life.event("startup", Succeeded()) is None


OUTCOMES = st.lists(st.sampled_from([Succeeded(), Warned("w"), Failed("f"), REFUSED, Errored("e")]), max_size=60)


@given(
    kind=st.sampled_from(["startup", "liveness", "readiness"]),
    outcomes=OUTCOMES,
    failures=st.integers(1, 5),
    successes=st.integers(1, 5),
)
def test_belief_follows_the_last_long_enough_streak(
    kind: Kind, outcomes: list[Outcome], failures: int, successes: int
) -> None:
    spec = objects.Probe(period_seconds=1, failure_threshold=failures, success_threshold=successes)
    life = probe_life.born(kind)
    seen: list[Result] = []
    for outcome in outcomes:
        before = life
        life, verdict = probe_life.judged(spec, kind, before, outcome, LATE)
        assert (verdict is not None) == (life.result != before.result)
        if before.holds or isinstance(outcome, Errored):
            assert life == before
            continue
        seen.append("failure" if isinstance(outcome, Failed) else "success")
        needed = failures if seen[-1] == "failure" else successes
        if seen[-needed:] == [seen[-1]] * needed:
            assert life.result == seen[-1]
        else:
            assert life.result == before.result
        assert life.holds == (kind != "readiness" and life.result == "failure")


@given(outcomes=OUTCOMES, moments=st.lists(st.floats(0, 100), min_size=60, max_size=60))
def test_early_looks_never_change_what_is_believed(outcomes: list[Outcome], moments: list[float]) -> None:
    life = probe_life.born("readiness")
    for outcome, elapsed in zip(outcomes, sorted(moments), strict=False):
        before = life
        life, verdict = probe_life.judged(PROBE, "readiness", before, outcome, elapsed)
        if life.looks > before.looks:
            assert (verdict, life.result, life.streak) == (None, before.result, before.streak)
        assert 0 < probe_life.pause(PROBE, life) <= PROBE.period_seconds
