"""Static pods as data: what a file in the manifest directory asks for, and what is to be done about it. Pure.

Rules: pkg/kubelet/config (file.go, common.go), pkg/kubelet/pod (mirror_client.go). Unlike there, the pod itself is
stored, so that it is adopted like any other, and a file that went bad leaves its pods as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from podrun.api import kinds, objects, parse
from podrun.errors import PodrunError

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
MIRROR = "kubernetes.io/config.mirror"
FILE = "podrun/manifest"
SUFFIXES = (".yaml", ".yml", ".json")

TOLERATION = objects.Toleration(operator="Exists", effect="NoExecute")
"""Of every static pod: trouble of the node is no reason to end it."""

LASTING = (objects.Namespace, objects.PersistentVolumeClaim)
"""What stays when its file goes: others may have something in it."""

Key = tuple[str, str, str]
"""Kind, namespace, name."""

Admit = Callable[[objects.Object], objects.Object]
"""Defaults and validation. PodrunError: the object is invalid, or of a kind that is not carried out."""

AdmitChange = Callable[[objects.Object, objects.Object], objects.Object]
"""The first one in the place of the second. PodrunError: that is not allowed."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one file asks for, or why it is bad: then nothing of it counts."""

    objects: tuple[objects.Object, ...] = ()
    error: str = ""


def is_manifest(name: str) -> bool:
    """By the name of the file alone."""
    return name.endswith(SUFFIXES) and not name.startswith(".")


def read(file: str, content: bytes, node: str, admit: Admit) -> Manifest:
    """The objects of a file (by its name) as they are to be stored on this node."""
    try:
        return Manifest(tuple(_stored(each, file, node, admit) for each in parse.parse(content)))
    except PodrunError as error:
        return Manifest(error=error.message)


def _stored(sent: objects.Object, file: str, node: str, admit: Admit) -> objects.Object:
    """Named and marked as ours. The hash is of what was asked for, so a new default restarts nothing."""
    digest = hashlib.sha256(kinds.to_json(sent)).hexdigest()[:32]
    if isinstance(sent, objects.Pod):
        name = f"{sent.metadata.name}-{node}" if sent.metadata.name else ""
        tolerations = (*sent.spec.tolerations, *((TOLERATION,) if TOLERATION not in sent.spec.tolerations else ()))
        spec = replace(sent.spec, node_name=node, tolerations=tolerations)
        sent = replace(sent, metadata=replace(sent.metadata, name=name), spec=spec)
    made = admit(sent)
    marks = {SOURCE: "file", FILE: file, HASH: digest} | ({MIRROR: digest} if isinstance(sent, objects.Pod) else {})
    return replace(made, metadata=replace(made.metadata, annotations=made.metadata.annotations | marks))


def is_ours(stored: objects.Object) -> bool:
    """Whether a stored object stands for a file. Nobody else can mark a pod as a mirror."""
    annotations = stored.metadata.annotations
    return annotations.get(SOURCE) == "file" and (not isinstance(stored, objects.Pod) or MIRROR in annotations)


def key_of(each: objects.Object) -> Key:
    return type(each).__name__, each.metadata.namespace, each.metadata.name


@dataclass(frozen=True, slots=True)
class Wishes:
    """All files together. `errors` by file; of what a file in `unknown` asks for nothing is known."""

    objects: Mapping[Key, objects.Object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def together(manifests: Mapping[str, Manifest]) -> Wishes:
    """Files by name; the first one that names an object has it."""
    found: dict[Key, objects.Object] = {}
    errors = {file: manifest.error for file, manifest in manifests.items() if manifest.error}
    unknown = frozenset(errors)
    for file in sorted(manifests):
        for each in manifests[file].objects:
            kind, namespace, name = key = key_of(each)
            if key in found:
                errors.setdefault(file, f'{kind} "{name}" in namespace "{namespace}" is there already')
            else:
                found[key] = each
    return Wishes(found, errors, unknown)


@dataclass(frozen=True, slots=True)
class Create:
    object: objects.Object


@dataclass(frozen=True, slots=True)
class Change:
    """For objects that are not pods: put the new content in the place of the old."""

    object: objects.Object


@dataclass(frozen=True, slots=True)
class Remove:
    """A pod ends gracefully; its successor is created when it is gone."""

    object: objects.Object


Step = Create | Change | Remove


def steps(wishes: Wishes, present: Iterable[objects.Object]) -> list[Step]:
    """What to do now; `present` are all stored objects that are ours."""
    found = {key_of(each): each for each in present}
    taken: list[Step] = []
    for key, stored in found.items():
        wanted = wishes.objects.get(key)
        if stored.metadata.deletion_timestamp is not None:
            continue
        if wanted is None:
            unknown = stored.metadata.annotations.get(FILE) in wishes.unknown
            if not unknown and not isinstance(stored, LASTING):
                taken.append(Remove(stored))
        elif isinstance(stored, objects.PersistentVolumeClaim):
            continue  # it is bound
        elif wanted.metadata.annotations[HASH] != stored.metadata.annotations.get(HASH):
            taken.append(Remove(stored) if isinstance(stored, objects.Pod) else Change(wanted))
    missing = [each for key, each in wishes.objects.items() if key not in found]
    missing.sort(key=lambda each: (not isinstance(each, objects.Namespace), isinstance(each, objects.Pod)))
    return [*taken, *map(Create, missing)]
