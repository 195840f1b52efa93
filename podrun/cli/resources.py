"""What the user calls things: `po/web`, `pods web`, `no`; and the paths that the server knows them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podrun.cli.client import path_of
from podrun.errors import PodrunError


class Resource(NamedTuple):
    plural: str
    singular: str
    kind: str
    short_names: tuple[str, ...]
    namespaced: bool = True

    def list_path(self, namespace: str | None) -> str:
        """`namespace` None: in all of them."""
        if self.namespaced and namespace is not None:
            return path_of("api", "v1", "namespaces", namespace, self.plural)
        return path_of("api", "v1", self.plural)

    def path(self, namespace: str, name: str) -> str:
        where = ("namespaces", namespace) if self.namespaced else ()
        return path_of("api", "v1", *where, self.plural, name)


POD = Resource("pods", "pod", "Pod", ("po",))
EVENT = Resource("events", "event", "Event", ("ev",))
NODE = Resource("nodes", "node", "Node", ("no",), namespaced=False)
NAMESPACE = Resource("namespaces", "namespace", "Namespace", ("ns",), namespaced=False)
CONFIG_MAP = Resource("configmaps", "configmap", "ConfigMap", ("cm",))
SECRET = Resource("secrets", "secret", "Secret", ())
CLAIM = Resource("persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", ("pvc",))
VOLUME = Resource("persistentvolumes", "persistentvolume", "PersistentVolume", ("pv",), namespaced=False)
SERVICE_ACCOUNT = Resource("serviceaccounts", "serviceaccount", "ServiceAccount", ("sa",))
RESOURCES = (POD, NODE, EVENT, NAMESPACE, CONFIG_MAP, SECRET, CLAIM, VOLUME, SERVICE_ACCOUNT)

ALL = "all"
SEE_ALL = 'Use "podrun api-resources" for a complete list of supported resources.'


class Target(NamedTuple):
    """One kind, and the names asked for; none: all of them."""

    resource: Resource
    names: tuple[str, ...] = ()


def find(word: str) -> Resource:
    """The resource called so, `pods.v1.` included. PodrunError: there is no such one."""
    plain = word.lower().removesuffix(".").removesuffix(".v1")
    for one in RESOURCES:
        if plain in (one.plural, one.singular, *one.short_names):
            return one
    raise PodrunError(f'the server doesn\'t have a resource type "{word}"')


def of_kind(kind: str) -> Resource:
    """The resource of an object. PodrunError: the server has no such kind."""
    for one in RESOURCES:
        if one.kind == kind:
            return one
    raise PodrunError(f'the server doesn\'t have a resource type "{kind.lower()}"')


def targets(arguments: Sequence[str]) -> list[Target]:
    """TYPE[,TYPE] [NAME ...] or TYPE/NAME ...; PodrunError: neither, or a mix of both."""
    first, *names = arguments
    if any("/" in one for one in arguments):
        return _slashed(arguments)
    if first.lower() == ALL:
        return [Target(POD, _checked(names))]
    return [Target(find(word), _checked(names)) for word in first.split(",") if word]


def _slashed(arguments: Sequence[str]) -> list[Target]:
    if not all("/" in one for one in arguments):
        raise PodrunError(
            "there is no need to specify a resource type as a separate argument when passing arguments in "
            "resource/name form (e.g. 'podrun get resource/<resource_name>' instead of "
            "'podrun get resource resource/<resource_name>'"
        )
    grouped: dict[Resource, list[str]] = {}
    for one in arguments:
        word, _, name = one.partition("/")
        if "/" in name:
            raise PodrunError("arguments in resource/name form may not have more than one slash")
        if not word or not name:
            raise PodrunError("arguments in resource/name form must have a single resource and name")
        grouped.setdefault(find(word), []).append(name)
    return [Target(resource, tuple(names)) for resource, names in grouped.items()]


def _checked(names: Sequence[str]) -> tuple[str, ...]:
    if "" in names:
        raise PodrunError("resource name may not be empty")
    return tuple(names)
