"""A manifest's bytes to typed objects: YAML or JSON, several documents, lists expanded, all errors at once.

Says nothing about whether the values make sense: defaults and validation come after.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from podrun.api import decode, kinds, objects, status_errors, yaml_documents
from podrun.api.objects import StatusCause
from podrun.api.status_errors import StatusError

MAX_FAILED = 100
"""Objects with errors after which no more are looked at."""

_LONGEST_QUOTE = 200
_LISTS = frozenset(["List", *(kind.name + "List" for kind in kinds.KINDS)])


@dataclass(frozen=True, slots=True)
class Parsed:
    """One object of a manifest, or why there is none; `line` is where its document starts."""

    line: int
    object: objects.Object | None = None
    error: StatusError | None = None


def parse(content: bytes) -> tuple[objects.Object, ...]:
    """All objects of a manifest, or none: StatusError with everything that is wrong, of all documents."""
    results = parse_each(content)
    errors = [result.error for result in results if result.error]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        causes = [cause for error in errors if error.details for cause in error.details.causes]
        raise status_errors.bad_request("\n".join(error.message for error in errors), causes)
    return tuple(result.object for result in results if result.object)


def parse_each(content: bytes) -> list[Parsed]:
    """Every object with its own error, as kubectl reports them. StatusError: the bytes are no YAML at all."""
    results: list[Parsed] = []
    failed = 0
    for document in yaml_documents.documents(content):
        for value, path in _expanded(document.value):
            try:
                typed = _typed(value, path, document.duplicates)
                results.append(Parsed(document.line, typed))
            except StatusError as error:
                results.append(Parsed(document.line, error=error))
                failed += 1
                if failed == MAX_FAILED:
                    return results
    return results


def from_value(value: Any) -> objects.Object:
    """One object from plain values, checked as strictly as a manifest. StatusError: what is wrong with it."""
    return _typed(value, "", ())


def _expanded(value: Any) -> Iterator[tuple[Any, str]]:
    """The value itself, or the items of a List with the paths at which they stand."""
    waiting = [(value, "")]
    while waiting:
        current, path = waiting.pop()
        kind = current.get("kind") if isinstance(current, dict) else None
        if isinstance(kind, str) and kind in _LISTS and current.get("apiVersion") == "v1":
            prefix = f"{path}.items" if path else "items"
            items = current.get("items")
            if isinstance(items, list):
                waiting += [(item, f"{prefix}[{index}]") for index, item in reversed(list(enumerate(items)))]
                continue
            if items is None:
                continue
        yield current, path


def _typed(value: Any, place: str, duplicates: tuple[str, ...]) -> objects.Object:
    kind = _kind(value)
    typed, findings = decode.decode(value, kind.type)
    prefix = f"{place}." if place else ""
    for path in duplicates:
        if path.startswith(prefix):
            findings.duplicate(path.removeprefix(prefix))
    if findings.found:
        raise _decoding_error(kind, findings.found, prefix)
    return cast(objects.Object, typed)


def _kind(value: Any) -> kinds.Kind:
    if not isinstance(value, dict):
        findings = decode.Findings()
        findings.mismatch(value, "", "", "v1.TypeMeta")
        raise status_errors.bad_request(f"couldn't get version/kind; json parse error: {findings.found[0].message}")
    for key, label in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        word: Any = value.get(key)
        if word is None or word == "":
            raise status_errors.bad_request(f"Object '{label}' is missing in '{_quote(value)}'")
        if not isinstance(word, str):
            findings = decode.Findings()
            findings.mismatch(word, key, "TypeMeta", "string")
            raise status_errors.bad_request(f"couldn't get version/kind; json parse error: {findings.found[0].message}")
    kind = kinds.find(value["apiVersion"], value["kind"])
    if kind is None:
        raise status_errors.no_such_kind(value["kind"], value["apiVersion"])
    return kind


def _quote(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def _decoding_error(kind: kinds.Kind, found: list[decode.Finding], prefix: str) -> StatusError:
    """Wrong types first, which stop Go's decoder; then what only strict decoding objects to."""
    types = [finding.message for finding in found if not finding.strict]
    strict = [finding.message for finding in found if finding.strict]
    parts = types + ([f"strict decoding error: {', '.join(dict.fromkeys(strict))}"] if strict else [])
    causes = [StatusCause(reason=each.reason, message=each.message, field=prefix + each.path) for each in found]
    message = f'{kind.name} in version "{kind.api_version}" cannot be handled as a {kind.name}: {", ".join(parts)}'
    return status_errors.bad_request(message, causes)
