"""Label and field selectors."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import objects, selector
from podrun.api.status_errors import StatusError

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/x": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("app=web", True), ("app==web", True), ("app = web , tier=front", True), ("app=db", False),
        ("app!=db", True), ("app!=web", False), ("none!=x", True), ("app in (web,db)", True), ("app in (db)", False),
        ("app notin (db, cache)", True), ("none notin (x)", True), ("app notin (web)", False), ("app", True),
        ("none", False), ("!none", True), ("!app", False), ("n>4", True), ("n < 5", False), ("app>1", False),
        ("example.com/x=", True), ("example.com/x in ()", True), ("app=web,!none,tier in (front)", True),
    ],
)  # fmt: skip
def test_a_label_selector_matches_as_in_kubernetes(text: str, matches: bool) -> None:
    assert selector.parse_labels(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=web", "unable to parse requirement: found '=', expected: !, identifier, or 'end of string'"),
        ("app=web,", "unable to parse requirement: found '', expected: identifier after ','"),
        ("app in web", "unable to parse requirement: found 'web' expected: '('"),
        ("app in (web", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("app is web", "unable to parse requirement: found 'is', expected: in, notin, =, ==, !=, gt, lt"),
        ("app=web x", "unable to parse requirement: found 'x', expected: ',' or 'end of string'"),
        ("a_=x", 'unable to parse requirement: key: Invalid value: "a_": name part must consist of'),
    ],
)
def test_a_bad_label_selector_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        selector.parse_labels(text)
    assert caught.value.message.startswith(message)


@given(st.text(alphabet="ab=!,()<> in\\", max_size=15))
def test_any_text_is_a_selector_or_the_typed_error(text: str) -> None:
    with contextlib.suppress(StatusError):
        selector.parse_labels(text).matches(LABELS)
    with contextlib.suppress(StatusError):
        selector.parse_fields(text, "Pod")


POD = objects.Pod(
    metadata=objects.ObjectMeta(name="web", namespace="default"),
    spec=objects.PodSpec(node_name="here", restart_policy="Never"),
    status=objects.PodStatus(phase="Running"),
)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,status.phase!=Failed", True),
        ("spec.nodeName=there", False),
        ("spec.restartPolicy!=Never", False),
    ],
)
def test_a_field_selector_matches_a_pod(text: str, matches: bool) -> None:
    assert selector.parse_fields(text, "Pod").matches(POD) is matches


def test_events_are_selected_by_what_they_are_about() -> None:
    event = objects.Event(involved_object=objects.ObjectReference(kind="Pod", name="web", uid="7"), reason="Started")
    assert selector.parse_fields("involvedObject.name=web,involvedObject.uid=7,reason=Started", "Event").matches(event)


def test_unknown_fields_and_nonsense_are_refused() -> None:
    with pytest.raises(StatusError, match=r"field label not supported: spec\.foo"):
        selector.parse_fields("spec.foo=1", "Pod")
    with pytest.raises(StatusError, match="invalid selector: 'x'; can't understand 'x'"):
        selector.parse_fields("x", "Pod")
