"""`podrun __complete WORDS`: what may stand in the place of the last word, one a line. For the shells' scripts.

`:files` says that a file's name is wanted. A kubelet that does not run is not started: then there are no names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from podrun.cli import command as shared
from podrun.cli import resources
from podrun.cli.client import Client
from podrun.cli.image_words import IMAGES
from podrun.errors import PodrunError

FILES = ":files"
PODS_ONLY = ("logs", "exec", "attach", "port-forward", "cp", "tree", "debug")
KINDS_FIRST = ("get", "describe", "delete", "label", "annotate", "edit", "patch", "wait", "explain")
WITH_VALUE = ("-n", "--namespace", "-c", "--container", "-o", "--output", "-l", "--selector", "-f", "--filename")
FORMS = ("json", "yaml", "name", "wide", "jsonpath=", "custom-columns=")


class Raw(click.Command):
    """Takes its words as they are: they are another command's, perhaps half of one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params["words"] = tuple(args)
        return []


@click.command("__complete", cls=Raw, hidden=True)
@click.pass_obj
def command(session: shared.Session, words: tuple[str, ...]) -> None:
    try:
        found = offers(session.passive_client, list(words) or [""])
    except PodrunError:
        return
    sys.stdout.write("".join(f"{one}\n" for one in found))


def offers(client: Client, words: Sequence[str]) -> list[str]:
    """All that begins as the last word does."""
    *before, current = words
    found = _possible(client, before, current)
    return found if found == [FILES] else sorted(one for one in found if one.startswith(current))


def _possible(client: Client, before: Sequence[str], current: str) -> list[str]:
    from podrun.cli.main import podrun

    context = click.Context(podrun, info_name="podrun")
    if "--" in before:
        return []
    line = _Line(before)
    if (last := before[-1] if before else "") in ("-n", "--namespace"):
        return _names(client, resources.NAMESPACE, "", "")
    if not line.verb:
        return podrun.list_commands(context)
    verb = podrun.get_command(context, line.verb)
    if verb is None:
        return []
    verb, arguments = _inner(verb, context, line.arguments)
    if last in ("-o", "--output"):
        return list(FORMS)
    if last in ("-f", "--filename", "--from-file", "--from-env-file", "--patch-file"):
        return [FILES]
    if last in ("-c", "--container"):
        return _containers(client, line.namespace, arguments)
    if current.startswith("-"):
        return [
            name
            for option in verb.params
            if isinstance(option, click.Option) and not option.hidden
            for name in option.opts
        ]
    if isinstance(verb, click.Group):
        return verb.list_commands(context)
    return _arguments(client, line, arguments, current)


class _Line:
    """The words before the last one: the verb, what stands after it, and the namespace."""

    def __init__(self, words: Sequence[str]) -> None:
        self.namespace = shared.DEFAULT_NAMESPACE
        plain: list[str] = []
        taken = False
        for position, word in enumerate(words):
            if taken:
                taken = False
                if words[position - 1] in ("-n", "--namespace"):
                    self.namespace = word
            elif word.startswith("-"):
                name, equals, value = word.partition("=")
                if name in ("-n", "--namespace") and equals:
                    self.namespace = value
                taken = word in WITH_VALUE
            else:
                plain.append(word)
        self.verb = plain[0] if plain else ""
        self.arguments = plain[1:]


def _inner(verb: click.Command, context: click.Context, arguments: list[str]) -> tuple[click.Command, list[str]]:
    """`configmap` of `create configmap`, and what stands after it."""
    while isinstance(verb, click.Group) and arguments:
        inner = verb.resolve_command(context, list(arguments))[1]
        if inner is None:
            break
        verb, arguments = inner, arguments[1:]
    return verb, arguments


def _arguments(client: Client, line: _Line, arguments: list[str], current: str) -> list[str]:
    if line.verb == "completion":
        return list(importlib.import_module("podrun.cli.completion").SCRIPTS)
    if line.verb in PODS_ONLY:
        files = [FILES] if line.verb == "cp" and ("/" in current or not current) and arguments else []
        return files or _names(client, resources.POD, line.namespace, current)
    if line.verb in ("cordon", "uncordon"):
        return _names(client, resources.NODE, "", current)
    if line.verb == "taint":
        return ["nodes"] if not arguments else _names(client, resources.NODE, "", "") if len(arguments) == 1 else []
    if line.verb == "image":
        return _image_arguments(client, line.arguments[0], arguments, current)
    if line.verb == "top" and arguments:
        return _names(client, resources.find(arguments[0]), line.namespace, current)
    if line.verb not in KINDS_FIRST:
        return [FILES] if line.verb in ("apply", "create", "replace", "diff") else []
    if "/" in current:
        kind = current.partition("/")[0]
        return [f"{kind}/{name}" for name in _names(client, resources.find(kind), line.namespace, "")]
    if not arguments:
        return [one.plural for one in resources.RESOURCES]
    if "/" in arguments[0]:
        return []
    return _names(client, resources.find(arguments[0].split(",")[0]), line.namespace, current)


def _names(client: Client, resource: resources.Resource, namespace: str, current: str) -> list[str]:
    kind, slash, _ = current.partition("/")
    items = client.get(resource.list_path(namespace or None), {"includeObject": "Metadata"}).get("items") or []
    return [f"{kind}/{one['metadata']['name']}" if slash else one["metadata"]["name"] for one in items]


def _image_arguments(client: Client, verb: str, arguments: list[str], current: str) -> list[str]:
    if verb in ("load", "import"):
        return [] if arguments else [FILES]
    if verb not in ("rm", "inspect", "save", "tag") or (verb == "tag" and arguments):
        return []
    found = [name for image in client.get(IMAGES)["images"] for name in image["names"]]
    hub = ("docker.io/library/", "docker.io/")
    return (
        found
        if current.startswith("docker.io/")
        else [name.removeprefix(hub[0]).removeprefix(hub[1]) for name in found]
    )


def _containers(client: Client, namespace: str, arguments: Sequence[str]) -> list[str]:
    from podrun.cli import containers

    if not arguments:
        return []
    return containers.names(client.get(resources.POD.path(namespace, containers.pod_name(arguments[0]))))
