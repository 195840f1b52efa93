"""Which kinds are stored, under which key, and how one is written down (JSON)."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from podrun.api import objects

T = TypeVar("T", bound=objects.Object)

KINDS: dict[str, type[objects.Object]] = {
    kind.__name__: kind
    for kind in (
        objects.Pod,
        objects.Node,
        objects.Event,
        objects.Namespace,
        objects.ConfigMap,
        objects.Secret,
        objects.PersistentVolumeClaim,
        objects.ServiceAccount,
    )
}

Key = tuple[str, str, str]
"""Kind, namespace ("" for kinds outside of namespaces), name."""

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[objects.Object]] = {}


def key_of(stored: objects.Object) -> Key:
    return type(stored).__name__, stored.metadata.namespace, stored.metadata.name


def encode(stored: objects.Object) -> bytes:
    return _encoder.encode(stored)


def decode(kind: str, text: bytes) -> objects.Object:
    """The object of a row; fields that a newer version wrote are left out."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(KINDS[kind])
    return decoder.decode(text)
