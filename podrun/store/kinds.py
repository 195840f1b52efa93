"""The types of what is stored and the keys it is stored under."""

from __future__ import annotations

from typing import TypeVar, cast

from podrun.api import kinds, objects

T = TypeVar("T", bound=objects.Object)

TYPES: dict[str, type[objects.Object]] = {kind.name: cast("type[objects.Object]", kind.type) for kind in kinds.KINDS}

Key = tuple[str, str, str]
"""Kind, namespace ("" for kinds outside of namespaces), name."""


def key_of(stored: objects.Object) -> Key:
    return type(stored).__name__, stored.metadata.namespace, stored.metadata.name


def encode(stored: objects.Object) -> bytes:
    return kinds.to_json(stored)


def decode(kind: str, text: bytes) -> objects.Object:
    """The object of a row; fields that a newer version wrote are left out."""
    return kinds.from_json(text, TYPES[kind])
