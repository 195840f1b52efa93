"""JSON Patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.server import json_patch


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        ({}, [{"op": "add", "path": "/a", "value": 1}], {"a": 1}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": {"b": 1}}, [{"op": "remove", "path": "/a/b"}], {"a": {}}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/0", "value": 0}],
         {"a": [1], "b": [0, 1]}),
        ({"x/y": {"~": 1}}, [{"op": "test", "path": "/x~1y/~0", "value": 1}], {"x/y": {"~": 1}}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)  # fmt: skip
def test_operations_are_carried_out_in_turn(before: Any, operations: list[Any], after: Any) -> None:
    assert json_patch.apply(before, operations) == after


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/nope", "value": 1},
        {"op": "add", "path": "/a/7", "value": 1},
        {"op": "add", "path": "/a/01", "value": 1},
        {"op": "add", "path": "/a/0/x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "test", "path": "/a", "value": []},
        {"op": "move", "from": "/o", "path": "/o/p"},
        {"op": "burn", "path": "/a"},
        {"op": "copy", "path": "/b"},
        "add",
    ],
)
def test_what_does_not_fit_changes_nothing(operation: Any) -> None:
    document = {"a": [1], "o": {"p": 1}}
    with pytest.raises(json_patch.PatchError):
        json_patch.apply(document, [{"op": "add", "path": "/new", "value": 1}, operation])
    assert document == {"a": [1], "o": {"p": 1}}
