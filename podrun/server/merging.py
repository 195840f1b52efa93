"""How an object and changes become one: JSON merge patch, strategic merge patch, kubectl apply's three-way merge. Pure.

All work on plain JSON values. Sources: RFC 7386; apimachinery's strategicpatch, with the merge keys of core/v1.
"""

from __future__ import annotations

from typing import Any

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "ownerReferences": "uid",
    "conditions": "type",
}
"""Lists that are merged item by item, by the field that holds them; every other list is replaced as a whole."""

SETS = frozenset(("finalizers",))
"""Lists of words that are joined."""

_DIRECTIVE, _KEEP = "$patch", "$retainKeys"
_ORDER, _DROP = "$setElementOrder/", "$deleteFromPrimitiveList/"


def merge_patch(old: Any, changes: Any) -> Any:
    """RFC 7386, JSON Merge Patch."""
    if not isinstance(changes, dict):
        return changes
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge_patch(old: Any, changes: Any, field: str = "") -> Any:
    """As kubectl patch and kubectl edit send it. The order of items that it asks for is not kept to."""
    if isinstance(changes, list):
        return _merged_list(_items(old), changes, field)
    if not isinstance(changes, dict):
        return changes
    match changes.get(_DIRECTIVE):
        case "replace":
            return {key: value for key, value in changes.items() if key != _DIRECTIVE}
        case "delete":
            return {}
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in changes.items():
        if key in (_DIRECTIVE, _KEEP) or key.startswith(_ORDER):
            continue
        if key.startswith(_DROP):
            name = key.removeprefix(_DROP)
            result[name] = [each for each in _items(result.get(name)) if each not in _items(value)]
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = strategic_merge_patch(result.get(key), value, key)
    if _KEEP in changes:
        result = {key: value for key, value in result.items() if key in _items(changes[_KEEP])}
    return result


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _merged_list(old: list[Any], changes: list[Any], field: str) -> list[Any]:
    if field in SETS:
        return [*old, *(each for each in changes if each not in old)]
    key = MERGE_KEYS.get(field, "")
    directives = [each for each in changes if isinstance(each, dict) and _DIRECTIVE in each]
    kept = [each for each in changes if each not in directives]
    if any(each[_DIRECTIVE] == "replace" for each in directives):
        return kept
    if not _has_keys(old, key) or not _has_keys(kept, key):
        return changes
    gone = [each.get(key) for each in directives]
    known = [each[key] for each in old]
    asked = {each[key]: each for each in kept}
    merged = [strategic_merge_patch(each, asked.get(each[key], {})) for each in old if each[key] not in gone]
    return [*merged, *(strategic_merge_patch({}, each) for each in kept if each[key] not in known)]


def three_way(live: Any, last: Any, asked: Any, field: str = "") -> Any:
    """What is asked for; what was applied `last` and is not asked for any more goes; what others set stays."""
    if isinstance(asked, dict) and isinstance(live, dict):
        before = last if isinstance(last, dict) else {}
        kept = {key: value for key, value in live.items() if key in asked or key not in before}
        return kept | {key: three_way(live.get(key), before.get(key), value, key) for key, value in asked.items()}
    key = MERGE_KEYS.get(field, "")
    if not isinstance(asked, list) or not isinstance(live, list):
        return asked
    if not _has_keys(asked, key) or not _has_keys(live, key):
        return asked
    before = {each.get(key): each for each in last} if isinstance(last, list) and _has_keys(last, key) else {}
    wanted = {each[key]: each for each in asked}
    result = []
    for each in live:
        if each[key] in wanted:
            result.append(three_way(each, before.get(each[key]), wanted[each[key]]))
        elif each[key] not in before:
            result.append(each)
    present = [each[key] for each in live]
    return [*result, *(each for each in asked if each[key] not in present)]


def _has_keys(items: list[Any], key: str) -> bool:
    """Whether the items can be told from each other by `key`."""
    if not key or any(not isinstance(each, dict) or not isinstance(each.get(key), str | int) for each in items):
        return False
    return len({each[key] for each in items}) == len(items)
