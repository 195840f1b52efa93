"""Which objects a user means: label selectors (`a=b,c!=d,e in (x,y),f,!g`) and field selectors.

Grammar and errors as in apimachinery's labels and fields packages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podrun.api import field_errors, objects, status_errors
from podrun.api import validate_names as names

_TOKEN = re.compile(r"\s*(==|!=|=|!|>|<|,|\(|\)|[^\s=!,()<>]+)")
_SYMBOLS = {"": "", "=": "=", "==": "=", "!=": "!=", "in": "in", "notin": "notin", ">": ">", "<": "<"}
_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_SPECIAL = frozenset(("=", "==", "!=", "!", ">", "<", ",", "(", ")", ""))


@dataclass(frozen=True, slots=True)
class Requirement:
    """`operator` is one of = != in notin exists ! > <."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "!=" | "notin":
                return value is None or value not in self.values
            case ">" | "<":
                return self._compares(value)
            case _:
                return value is not None and value in self.values

    def _compares(self, value: str | None) -> bool:
        try:
            number, bound = int(value or ""), int(*self.values)
        except ValueError:
            return False
        return number > bound if self.operator == ">" else number < bound


@dataclass(frozen=True, slots=True)
class LabelQuery:
    """All requirements must hold; none at all matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_labels(text: str) -> LabelQuery:
    """StatusError (BadRequest): not a label selector, in Kubernetes' words."""
    return LabelQuery(tuple(_LabelParser(text).run()))


class _LabelParser:
    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.position = 0

    def run(self) -> Iterator[Requirement]:
        if not self.tokens:
            return
        while True:
            yield self._requirement()
            word = self._take()
            if word == "":
                return
            if word != ",":
                raise _unparsable(f"found '{word}', expected: ',' or 'end of string'")
            if self._peek() in _SPECIAL - {"!"}:
                raise _unparsable(f"found '{self._peek()}', expected: identifier after ','")

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _take(self) -> str:
        word = self._peek()
        self.position += 1
        return word

    def _requirement(self) -> Requirement:
        absent = self._peek() == "!"
        if absent:
            self._take()
        key = self._take()
        if key in _SPECIAL:
            wanted = "identifier" if absent else "!, identifier, or 'end of string'"
            raise _unparsable(f"found '{key}', expected: {wanted}")
        _checked("key", key, names.qualified_name_problems)
        if absent:
            return Requirement(key, "!")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        word = self._take()
        operator = _SYMBOLS.get(word)
        if operator is None:
            raise _unparsable(f"found '{word}', expected: {_OPERATORS}")
        values = self._set() if operator in ("in", "notin") else self._exact()
        for value in values:
            _checked(f"values[0][{key}]", value, names.label_value_problems)
        return Requirement(key, operator, values)

    def _exact(self) -> frozenset[str]:
        word = self._peek()
        if word in ("", ","):
            return frozenset(("",))
        if word in _SPECIAL:
            raise _unparsable(f"found '{word}', expected: identifier")
        return frozenset((self._take(),))

    def _set(self) -> frozenset[str]:
        opening = self._take()
        if opening != "(":
            raise _unparsable(f"found '{opening}' expected: '('")
        values, current = set(), ""
        while (word := self._take()) != ")":
            if word == ",":
                values.add(current)
                current = ""
            elif word in _SPECIAL or current:
                raise _unparsable(f"found '{word}', expected: ',', ')' or identifier")
            else:
                current = word
        return frozenset(values | {current})


def _checked(path: str, text: str, problems: names.Problems) -> None:
    errors = list(names.check(path, text, problems))
    if errors:
        raise _unparsable(field_errors.aggregate(errors))


def _unparsable(why: str) -> status_errors.StatusError:
    return status_errors.bad_request(f"unable to parse requirement: {why}")


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    field: str
    value: str
    equal: bool


@dataclass(frozen=True, slots=True)
class FieldQuery:
    """Requirements on the few fields that a kind can be asked by."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, found: objects.Object) -> bool:
        readers = _fields_of(found.kind)
        return all((readers[each.field](found) == each.value) is each.equal for each in self.requirements)


Reader = Callable[[Any], str]

_META_FIELDS: dict[str, Reader] = {
    "metadata.name": lambda found: str(found.metadata.name),
    "metadata.namespace": lambda found: str(found.metadata.namespace),
}
_POD_FIELDS: dict[str, Reader] = {
    "spec.nodeName": lambda pod: str(pod.spec.node_name),
    "spec.restartPolicy": lambda pod: str(pod.spec.restart_policy),
    "spec.schedulerName": lambda pod: str(pod.spec.scheduler_name),
    "spec.serviceAccountName": lambda pod: str(pod.spec.service_account_name),
    "spec.hostNetwork": lambda pod: "true" if pod.spec.host_network else "false",
    "status.phase": lambda pod: str(pod.status.phase),
    "status.podIP": lambda pod: str(pod.status.pod_ip),
    "status.nominatedNodeName": lambda pod: str(pod.status.nominated_node_name),
}
_EVENT_FIELDS: dict[str, Reader] = {
    "involvedObject.kind": lambda event: str(event.involved_object.kind),
    "involvedObject.namespace": lambda event: str(event.involved_object.namespace),
    "involvedObject.name": lambda event: str(event.involved_object.name),
    "involvedObject.uid": lambda event: str(event.involved_object.uid),
    "involvedObject.apiVersion": lambda event: str(event.involved_object.api_version),
    "involvedObject.resourceVersion": lambda event: str(event.involved_object.resource_version),
    "involvedObject.fieldPath": lambda event: str(event.involved_object.field_path),
    "reason": lambda event: str(event.reason),
    "reportingComponent": lambda event: str(event.reporting_component),
    "source": lambda event: str(event.source.component or event.reporting_component),
    "type": lambda event: str(event.type),
}
_KIND_FIELDS = {
    "Pod": _META_FIELDS | _POD_FIELDS,
    "Event": _META_FIELDS | _EVENT_FIELDS,
    "Secret": _META_FIELDS | {"type": lambda secret: str(secret.type)},
    "Namespace": _META_FIELDS | {"status.phase": lambda namespace: str(namespace.status.phase)},
}
_FIELD_TERM = re.compile(r"(?s)((?:[^=!\\]|\\.)*)(==|!=|=)(.*)")


def _fields_of(kind: str) -> dict[str, Reader]:
    return _KIND_FIELDS.get(kind, _META_FIELDS)


def parse_fields(text: str, kind: str) -> FieldQuery:
    """StatusError (BadRequest): not a field selector, or a field that this kind cannot be asked by."""
    requirements = []
    for term in re.findall(r"(?:[^,\\]|\\.)+", text):
        found = _FIELD_TERM.fullmatch(term)
        if not found:
            raise status_errors.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field = found[1].strip()
        if field not in _fields_of(kind):
            raise status_errors.bad_request(f"field label not supported: {field}")
        value = re.sub(r"\\(.)", r"\1", found[3])
        requirements.append(FieldRequirement(field, value, equal=found[2] != "!="))
    return FieldQuery(tuple(requirements))
