"""Merge patches and the three-way merge, on plain JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.server import merging

FIELDS = ("a", "name", "containers", "finalizers", "$patch", "$retainKeys", "$deleteFromPrimitiveList/a")

values = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("old", "changes", "new"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": None}}, {"a": {}}),
    ],
)
def test_both_patches_agree_where_there_are_no_keyed_lists(old: Any, changes: Any, new: Any) -> None:
    assert merging.merge_patch(old, changes) == new
    assert merging.strategic_merge_patch(old, changes) == new


CONTAINERS = [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:1"}]


@pytest.mark.parametrize(
    ("changes", "containers"),
    [
        ([{"name": "b", "image": "i:2"}], [CONTAINERS[0], {"name": "b", "image": "i:2"}]),
        ([{"name": "c"}], [*CONTAINERS, {"name": "c"}]),
        ([{"name": "a", "$patch": "delete"}], [CONTAINERS[1]]),
        ([{"$patch": "replace"}, {"name": "c"}], [{"name": "c"}]),
        ([{"name": "a", "image": None}], [{"name": "a"}, CONTAINERS[1]]),
    ],
)
def test_containers_are_merged_by_name(changes: Any, containers: Any) -> None:
    patch = {"$setElementOrder/containers": [{"name": "a"}], "containers": changes}
    assert merging.strategic_merge_patch({"containers": CONTAINERS}, patch) == {"containers": containers}


def test_lists_without_a_key_are_replaced_and_sets_joined() -> None:
    old = {"tolerations": [{"key": "a"}], "finalizers": ["x", "y"]}
    changes = {"tolerations": [{"key": "b"}], "finalizers": ["z"]}
    assert merging.strategic_merge_patch(old, changes) == {
        "tolerations": [{"key": "b"}],
        "finalizers": ["x", "y", "z"],
    }
    assert merging.strategic_merge_patch(old, {"$deleteFromPrimitiveList/finalizers": ["x"]})["finalizers"] == ["y"]


def test_keys_that_are_not_retained_go() -> None:
    old = {"volumes": [{"name": "v", "emptyDir": {}}]}
    changes = {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]}
    assert merging.strategic_merge_patch(old, changes) == {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}


def test_a_map_can_be_replaced_as_a_whole() -> None:
    assert merging.strategic_merge_patch({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}


def test_what_was_applied_last_and_is_asked_for_no_more_goes() -> None:
    live = {"containers": [{"name": "a", "env": [{"name": "X"}], "ours": 1, "theirs": 2}, {"name": "b"}]}
    last = {"containers": [{"name": "a", "env": [{"name": "X"}], "ours": 1}, {"name": "b"}]}
    asked = {"containers": [{"name": "a", "env": [{"name": "Y"}]}]}
    assert merging.three_way(live, last, asked) == {"containers": [{"name": "a", "env": [{"name": "Y"}], "theirs": 2}]}


@given(values)
def test_applied_again_over_itself_nothing_changes(value: Any) -> None:
    assert merging.three_way(value, value, value) == value


@given(values, values, values)
def test_any_values_can_be_merged(live: Any, last: Any, asked: Any) -> None:
    merging.three_way({"spec": live}, {"spec": last}, {"spec": asked})
    merging.strategic_merge_patch({"spec": live}, {"spec": asked})


@given(values, values)
def test_a_merge_patch_applied_twice_is_as_applied_once(old: Any, changes: Any) -> None:
    once = merging.merge_patch(old, changes)
    assert merging.merge_patch(once, changes) == once
