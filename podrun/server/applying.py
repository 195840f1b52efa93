"""`apply` as kubectl does it: create what is not there; else merge what was applied last, what is there and what is
asked for now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
from msgspec.structs import replace

from podrun.api import kinds, objects, parse, pod_warnings
from podrun.server import admission, merging
from podrun.store import Store

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Result = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Wish:
    """One object of a manifest, checked: as it would be created, and the text to remember it by."""

    kind: kinds.Kind
    new: objects.Object
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Result
    object: objects.Object
    warnings: tuple[str, ...] = ()


def wish(sent: objects.Object, kind: kinds.Kind, namespace: str) -> Wish:
    """StatusError: the object is invalid."""
    annotations = {key: value for key, value in sent.metadata.annotations.items() if key != LAST_APPLIED}
    sent = replace(sent, metadata=replace(sent.metadata, annotations=annotations))
    text = _remembered(sent, kind, namespace)
    metadata = replace(sent.metadata, annotations=annotations | {LAST_APPLIED: text})
    return Wish(kind, admission.admit(replace(sent, metadata=metadata), kind, namespace), text)


async def carry_out(store: Store, wish: Wish, *, dry_run: bool = False) -> Outcome:
    """Errors: those of the store; StatusError: the change is not allowed."""
    type_, metadata = type(wish.new), wish.new.metadata
    current = store.get(type_, metadata.namespace, metadata.name)
    if current is None:
        made = wish.new if dry_run else await store.create(wish.new)
        return Outcome("created", made, pod_warnings.warnings(made))
    before: list[objects.Object] = [current]

    def change(old: objects.Object) -> objects.Object:
        before[0] = old
        return merged(old, wish)

    if dry_run:
        after = change(current)
    else:
        after = await store.update(type_, metadata.namespace, metadata.name, change)
    warnings = (*_warnings(before[0], wish), *pod_warnings.warnings(after))
    return Outcome("unchanged" if after == before[0] else "configured", after, warnings)


def merged(old: objects.Object, wish: Wish) -> objects.Object:
    """What becomes of `old`. StatusError: that is not allowed."""
    last = _last_applied(old)
    known = last.get("metadata") or {}
    asked = wish.new.metadata
    metadata = replace(
        asked,
        labels=_three_way(old.metadata.labels, known.get("labels") or {}, asked.labels),
        annotations=_three_way(old.metadata.annotations, known.get("annotations") or {}, asked.annotations),
        owner_references=asked.owner_references or old.metadata.owner_references,
        finalizers=asked.finalizers or old.metadata.finalizers,
    )
    body = _merged_body(old, last, msgspec.json.decode(wish.text))
    return admission.admit_change(replace(body, metadata=metadata), old)


def _merged_body(old: objects.Object, last: dict[str, Any], asked: dict[str, Any]) -> objects.Object:
    """All but metadata and status, each entry merged three ways."""
    live = msgspec.json.decode(kinds.to_json(old))
    merged = merging.three_way(_wishes(live), _wishes(last), _wishes(asked))
    named = {"apiVersion": "v1", "kind": type(old).__name__, "metadata": {"name": old.metadata.name}}
    return parse.from_value({**merged, **named})


def _wishes(value: dict[str, Any]) -> dict[str, Any]:
    return {key: entry for key, entry in value.items() if key not in ("metadata", "status")}


def _three_way(live: dict[str, str], last: dict[str, str], asked: dict[str, str]) -> dict[str, str]:
    """Keys that were applied last time and are not asked for any more go; those of others stay."""
    kept = {key: value for key, value in live.items() if key in asked or key not in last}
    return kept | asked


def _last_applied(old: objects.Object) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(old.metadata.annotations.get(LAST_APPLIED, "{}"))
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _remembered(sent: objects.Object, kind: kinds.Kind, namespace: str) -> str:
    """The manifest's object as compact JSON, as kubectl keeps it in the annotation."""
    value = cast("dict[str, Any]", msgspec.to_builtins(sent))
    value.pop("status", None)
    metadata = {key: entry for key, entry in value["metadata"].items() if entry is not None}
    metadata.setdefault("annotations", {})
    if kind.namespaced:
        metadata["namespace"] = namespace
    return msgspec.json.encode(value | {"metadata": metadata}, order="sorted").decode() + "\n"


def _warnings(before: objects.Object, wish: Wish) -> tuple[str, ...]:
    name, plural = before.metadata.name, wish.kind.plural
    warnings = []
    if LAST_APPLIED not in before.metadata.annotations:
        warnings.append(
            f"resource {plural}/{name} is missing the {LAST_APPLIED} annotation which is required by apply; "
            "it will be patched automatically"
        )
    if before.metadata.deletion_timestamp is not None:
        warnings.append(f"Detected changes to resource {name} which is currently being deleted.")
    return tuple(warnings)
