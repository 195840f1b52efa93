"""`podrun explain`: what a kind or a field is, laid out as kubectl does."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli.failures import StatusFailure
from podrun.errors import PodrunError

EXAMPLES = """
# What is a pod, and which fields has it
podrun explain pods

# What is one field
podrun explain pods.spec.containers

# All fields below, with their types
podrun explain pods.spec --recursive
"""

WIDTH = 76


@click.command(
    "explain",
    cls=shared.Verb,
    synopsis="TYPE[.FIELD ...] [--recursive=false] [options]",
    examples=EXAMPLES,
    help="Describe fields and structure of various resources.\n\n <type>.<fieldName>[.<fieldName>] names a field.",
)
@click.argument("words", nargs=-1)
@click.option("--recursive", is_flag=True, help="Print the name and type of all fields below, without descriptions.")
@click.option("--api-version", default="", hidden=True)
@click.pass_obj
def command(session: shared.Session, words: tuple[str, ...], recursive: bool, api_version: str) -> None:
    if not words:
        raise PodrunError(
            'You must specify the type of resource to explain. Use "podrun api-resources" for a complete list of '
            "supported resources."
        )
    if len(words) > 1:
        raise PodrunError("We accept only this format: explain RESOURCE")
    resource, _, path = words[0].partition(".")
    try:
        found = session.client.get("/podrun/v1/explain", {"resource": resource, "path": path, "recursive": recursive})
    except StatusFailure as error:
        raise PodrunError(str(error.status.get("message"))) from None
    sys.stdout.write(text(found, recursive=recursive))


def text(found: dict[str, Any], *, recursive: bool) -> str:
    field = found["field"]
    parts = [f"KIND:       {found['kind']}", f"VERSION:    {found['version']}", ""]
    if field["name"]:
        parts += [f"FIELD: {field['name']} <{field['type']}>", ""]
    parts += ["DESCRIPTION:", *_wrapped(field["description"] or "<empty>", "    "), ""]
    if field["fields"]:
        parts += ["FIELDS:", *(_names(field["fields"], "  ") if recursive else _described(field["fields"]))]
    return "\n".join(parts).rstrip("\n") + "\n\n"


def _title(field: dict[str, Any]) -> str:
    return f"{field['name']}\t<{field['type']}>{' -required-' if field['required'] else ''}"


def _described(fields: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in fields:
        lines += [f"  {_title(one)}", *_wrapped(one["description"] or "<no description>", "    "), ""]
    return lines


def _names(fields: list[dict[str, Any]], indent: str) -> list[str]:
    lines = []
    for one in fields:
        lines += [f"{indent}{_title(one)}", *_names(one["fields"], indent + "  ")]
    return lines


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent=indent)
