"""Which objects a command is about: named, in files, or chosen by label; as kubectl's resource builder finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from podrun.cli import manifests, resources
from podrun.cli.client import APPLY_PATCH, Client
from podrun.cli.failures import StatusFailure
from podrun.cli.resources import Resource, Target
from podrun.errors import PodrunError

NOTHING_NAMED = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""


FILES_AND_ARGUMENTS = "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well"


class Named(NamedTuple):
    """An object that is meant. `manifest`: what a file says about it; `source`: which file."""

    resource: Resource
    namespace: str
    name: str
    manifest: dict[str, Any] | None = None
    source: str = ""

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)

    @property
    def title(self) -> str:
        """`pod/web`."""
        return f"{self.resource.singular}/{self.name}"


class Choice(NamedTuple):
    """What the command line says about it. `namespace`: the one insisted on, None for none."""

    arguments: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    recursive: bool = False
    namespace: str | None = None
    selector: str = ""
    field_selector: str = ""
    every: bool = False
    all_namespaces: bool = False

    @property
    def by_selector(self) -> bool:
        return bool(self.every or self.selector or self.field_selector)


def find(client: Client, choice: Choice) -> list[Named]:
    """PodrunError: nothing said, or what can't be said together. Named objects need not be there."""
    if choice.filenames:
        if choice.arguments or choice.by_selector:
            raise PodrunError(FILES_AND_ARGUMENTS)
        return in_files(client, choice.filenames, recursive=choice.recursive, namespace=choice.namespace)
    if not choice.arguments:
        raise PodrunError(NOTHING_NAMED)
    targets = resources.targets(choice.arguments)
    where = choice.namespace or "default"
    named = [Named(target.resource, where, name) for target in targets for name in target.names]
    if named and choice.by_selector:
        raise PodrunError("name cannot be provided when a selector is specified")
    if not named and not choice.by_selector:
        raise PodrunError("resource(s) were provided, but no name was specified")
    if named and choice.all_namespaces:
        raise PodrunError("a resource cannot be retrieved by name across all namespaces")
    return named or _selected(client, targets, choice, None if choice.all_namespaces else where)


def in_files(client: Client, filenames: Sequence[str], *, recursive: bool, namespace: str | None) -> list[Named]:
    """What the manifests name, with what they say. PodrunError: one can't be read, or is no manifest."""
    found = []
    for manifest in manifests.read(filenames, recursive=recursive):
        if not manifest.content.strip():
            continue
        query = {"namespace": namespace}
        try:
            answer = client.ask("POST", "/podrun/v1/decode", query, body=manifest.content, content_type=APPLY_PATCH)
        except StatusFailure as error:
            raise error.during(f'error when reading "{manifest.source}"') from None
        for one in answer["results"]:
            resource = resources.of_kind(one["kind"])
            found.append(Named(resource, one["namespace"], one["name"], one.get("object"), manifest.source))
    return found


def targets_of_files(
    client: Client, filenames: Sequence[str], *, recursive: bool, namespace: str | None
) -> tuple[list[Target], str | None]:
    """The same as targets, and the one namespace that they are in. PodrunError: they are in several."""
    found = in_files(client, filenames, recursive=recursive, namespace=namespace)
    if not found:
        raise PodrunError("no objects passed to get")
    places = {one.namespace for one in found if one.resource.namespaced}
    if len(places) > 1:
        raise PodrunError("the manifests are of several namespaces: choose one with -n")
    kinds = dict.fromkeys(one.resource for one in found)
    targets = [Target(kind, tuple(one.name for one in found if one.resource is kind)) for kind in kinds]
    return targets, places.pop() if places else namespace


def _selected(client: Client, targets: Sequence[Target], choice: Choice, namespace: str | None) -> list[Named]:
    query = {"labelSelector": choice.selector, "fieldSelector": choice.field_selector}
    return [
        Named(target.resource, item["metadata"].get("namespace", ""), item["metadata"]["name"], item)
        for target in targets
        for item in client.get(target.resource.list_path(namespace), query).get("items") or []
    ]
