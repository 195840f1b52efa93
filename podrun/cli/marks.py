"""What `label` and `annotate` share: KEY=VALUE sets, KEY- takes away, --list shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podrun.cli import output, selecting
from podrun.cli.client import MERGE_PATCH, Client
from podrun.cli.selecting import Choice, Named
from podrun.errors import PodrunError


@dataclass(frozen=True, slots=True)
class Mark:
    """`field` of metadata; `word` names one of them; `done` and `undone` say what was done."""

    field: str
    word: str
    done: str
    undone: str


LABEL = Mark("labels", "label", "labeled", "unlabeled")
ANNOTATION = Mark("annotations", "annotation", "annotated", "annotated")


@dataclass(frozen=True, slots=True)
class Manner:
    overwrite: bool
    show: bool
    resource_version: str
    dry_run: str
    form: str


@dataclass(frozen=True, slots=True)
class Changes:
    set: dict[str, str]
    remove: tuple[str, ...]


def run(client: Client, mark: Mark, choice: Choice, manner: Manner) -> None:
    resources_, changes = split(choice.arguments, mark)
    if not changes.set and not changes.remove and not manner.show:
        raise PodrunError(f"at least one {mark.word} update is required")
    named = selecting.find(client, choice._replace(arguments=resources_))
    if manner.resource_version and len(named) > 1:
        raise PodrunError("--resource-version may only be used with a single resource")
    doing = output.Doing(manner.form, manner.dry_run)
    for one in named:
        _mark(client, mark, one, changes, manner, doing)
        if manner.show:
            _list(client.get(one.path), mark, one, alone=len(named) == 1)


def split(arguments: Sequence[str], mark: Mark) -> tuple[tuple[str, ...], Changes]:
    """Resources stand first, then changes. PodrunError: mixed up, or a key both set and removed."""
    first = next((at for at, word in enumerate(arguments) if _is_change(word)), len(arguments))
    set_: dict[str, str] = {}
    remove = []
    for word in arguments[first:]:
        if not _is_change(word):
            raise PodrunError(f"all resources must be specified before {mark.word} changes: {word}")
        key, equals, value = word.partition("=")
        if equals:
            if not key:
                raise PodrunError(f"invalid {mark.word} spec: {word}")
            set_[key] = value
        else:
            remove.append(word[:-1])
    if set_.keys() & set(remove):
        raise PodrunError(
            f"can not both modify and remove {'a' if mark is LABEL else 'an'} {mark.word} in the same command"
        )
    return tuple(arguments[:first]), Changes(set_, tuple(remove))


def _is_change(word: str) -> bool:
    return "=" in word or (word.endswith("-") and len(word) > 1)


def _mark(client: Client, mark: Mark, one: Named, changes: Changes, manner: Manner, doing: output.Doing) -> None:
    if not changes.set and not changes.remove:
        return
    live = client.get(one.path)
    known: dict[str, str] = live["metadata"].get(mark.field) or {}
    if not manner.overwrite:
        _check_unset(known, changes, mark)
    for key in changes.remove:
        if key not in known:
            sys.stdout.flush()
            print(f'{mark.word} "{key}" not found.')
    patch = {**changes.set, **dict.fromkeys(changes.remove)}
    metadata: dict[str, Any] = {mark.field: patch}
    if manner.resource_version:
        metadata["resourceVersion"] = manner.resource_version
    query = {"dryRun": "All" if manner.dry_run != "none" else None}
    body = json.dumps({"metadata": metadata}).encode()
    after = client.ask("PATCH", one.path, query, body=body, content_type=MERGE_PATCH)
    doing.done(one.title, word_for(mark, known, after["metadata"].get(mark.field) or {}), after)


def _check_unset(known: dict[str, str], changes: Changes, mark: Mark) -> None:
    taken = [
        f"'{key}' already has a value ({known[key]})"
        for key in changes.set
        if known.get(key, changes.set[key]) != changes.set[key]
    ]
    if not taken:
        return
    if mark is LABEL:
        raise PodrunError(f"{taken[0]}, and --overwrite is false")
    raise PodrunError(f"--overwrite is false but found the following declared annotation(s): {'; '.join(taken)}")


def word_for(mark: Mark, before: dict[str, str], after: dict[str, str]) -> str:
    if mark is ANNOTATION:
        return mark.done
    if before == after:
        return f"not {mark.done}"
    return mark.undone if len(after) < len(before) else mark.done


def _list(found: dict[str, Any], mark: Mark, one: Named, *, alone: bool) -> None:
    indent = "" if alone else " "
    if not alone:
        print(f"Listing {mark.field} for {one.resource.kind}./{one.name}:")
    for key, value in (found["metadata"].get(mark.field) or {}).items():
        print(f"{indent}{key}={value}")
