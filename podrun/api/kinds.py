"""The kinds that podrun knows: their names in the API and the types that hold them; objects to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from podrun.api import objects

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """`plural` is the resource in API paths, `short_names` are kubectl's."""

    name: str
    plural: str
    type: type[objects.KubeStruct]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    api_version: str = "v1"


KINDS = (
    Kind("Pod", "pods", objects.Pod, short_names=("po",)),
    Kind("Node", "nodes", objects.Node, namespaced=False, short_names=("no",)),
    Kind("Event", "events", objects.Event, short_names=("ev",)),
    Kind("Namespace", "namespaces", objects.Namespace, namespaced=False, short_names=("ns",)),
    Kind("ConfigMap", "configmaps", objects.ConfigMap, short_names=("cm",)),
    Kind("Secret", "secrets", objects.Secret),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", objects.PersistentVolumeClaim, short_names=("pvc",)),
    Kind("PersistentVolume", "persistentvolumes", objects.PersistentVolume, namespaced=False, short_names=("pv",)),
    Kind("ServiceAccount", "serviceaccounts", objects.ServiceAccount, short_names=("sa",)),
)

_BY_NAME = {(kind.api_version, kind.name): kind for kind in KINDS}
_BY_RESOURCE = {name: kind for kind in KINDS for name in (kind.plural, kind.name.lower(), *kind.short_names)}


def find(api_version: str, kind: str) -> Kind | None:
    """The kind of a manifest, by its exact `apiVersion` and `kind`."""
    return _BY_NAME.get((api_version, kind))


def find_resource(word: str) -> Kind | None:
    """The kind that a user means by `pods`, `pod` or `po`, in any case."""
    return _BY_RESOURCE.get(word.lower())


_encoder = msgspec.json.Encoder()
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def to_json(value: objects.KubeStruct) -> bytes:
    """The object as the API sends it and the store keeps it."""
    return _encoder.encode(value)


def from_json(content: bytes, type_: type[T]) -> T:
    """Read back what `to_json` wrote. Not for input of users: it has no checks of its own (api/parse has)."""
    decoder = _decoders.get(type_)
    if decoder is None:
        decoder = _decoders[type_] = msgspec.json.Decoder(type_)
    return cast(T, decoder.decode(content))
